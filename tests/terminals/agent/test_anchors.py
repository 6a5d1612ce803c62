"""Which certificates become trust anchors (rule agent-trust)."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates.pki import formats
from terminals.agent import anchors
from terminals.agent.anchors import MOST_ANCHORS, next_trust_anchors
from terminals.agent.errors import BundleRefused
from tests.support.est_server import a_pair_now
from tests.support.x509 import remade

DAY = timedelta(days=1)


def now():
    return datetime.now(UTC)


def a_root(key=None, *, ca=True, cert_sign=True, path_length=0, days=1, without=(), algorithm=None, signed_with=None):
    """A root as somebody may make one, good in everything that is not said."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    usage = dict.fromkeys(
        [
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ],
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - DAY)
        .not_valid_after(now() + days * DAY)
    )
    for extension in (
        x509.BasicConstraints(ca=ca, path_length=path_length if ca else None),
        x509.KeyUsage(**usage | {"key_cert_sign": cert_sign, "digital_signature": True}),
    ):
        if type(extension) not in without:
            builder = builder.add_extension(extension, critical=True)
    default = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signed_with or key, algorithm or default)


def test_old_and_new_are_taken_the_newest_first(old, new):
    assert next_trust_anchors(old.root, [old.root, new.root], now()) == [new.root, old.root]


def test_one_that_is_offered_twice_is_taken_once(old):
    assert next_trust_anchors(old.root, [old.root, old.root], now()) == [old.root]


def test_what_is_not_offered_is_dropped_as_long_as_one_stays(old, new):
    assert next_trust_anchors(old.root, [old.root], now()) == [old.root]


def test_one_that_has_ended_is_left_out(old):
    ended = a_pair_now(1, end=now() - DAY)
    assert next_trust_anchors(old.root, [old.root, ended.root], now()) == [old.root]


def test_one_that_is_not_valid_yet_is_taken(old):
    early = a_pair_now(1, not_before=now() + DAY)
    assert early.root in next_trust_anchors(old.root, [old.root, early.root], now())


@pytest.mark.parametrize("offered", [[], ["ended"]])
def test_a_bundle_with_nothing_valid_is_refused(old, offered):
    ended = a_pair_now(1, end=now() - DAY)
    with pytest.raises(BundleRefused, match="still valid"):
        next_trust_anchors(old.root, [ended.root for _ in offered], now())


def test_one_that_has_ended_does_not_vouch_for_others(old):
    ended = a_pair_now(1, end=now() - DAY)
    with pytest.raises(BundleRefused, match="not among those handed out"):
        next_trust_anchors(ended.root, [ended.root, old.root], now())


def test_the_same_name_and_number_do_not_make_the_same_root(old, strange):
    with pytest.raises(BundleRefused, match="not among those handed out"):
        next_trust_anchors(old.root, [remade(old).root], now())


def test_too_many_are_refused(old):
    key = ec.generate_private_key(ec.SECP256R1())
    many = [a_root(key) for _ in range(MOST_ANCHORS)]
    with pytest.raises(BundleRefused, match="17 certificates are more than 16"):
        next_trust_anchors(old.root, [old.root, *many], now())
    assert len(next_trust_anchors(old.root, [old.root, *many[1:]], now())) == MOST_ANCHORS


def test_a_good_root_of_somebody_elses_has_no_flaw():
    assert anchors.flaw_of_root(a_root()) is None
    assert anchors.flaw_of_root(a_root(days=3744)) is None
    assert anchors.flaw_of_root(a_root(rsa.generate_private_key(65537, 2048))) is None


@pytest.mark.parametrize(
    ("certificate", "flaw"),
    [
        (lambda: a_root(ca=False, cert_sign=False), "certification authority"),
        (lambda: a_root(without=[x509.BasicConstraints]), "certification authority"),
        (lambda: a_root(without=[x509.KeyUsage]), "certification authority"),
        (lambda: a_root(cert_sign=False), "may not sign"),
        (lambda: a_root(path_length=None), "pathLen"),
        (lambda: a_root(path_length=1), "pathLen"),
        (lambda: a_root(days=3745), "lasts longer than 3745 days"),
        (lambda: a_root(signed_with=ec.generate_private_key(ec.SECP256R1())), "not signed by itself"),
        (lambda: a_root(rsa.generate_private_key(65537, 1024)), "weak key"),
        (lambda: a_root(ec.generate_private_key(ec.SECP224R1())), "weak key"),
        (lambda: a_root(ed25519.Ed25519PrivateKey.generate()), "weak hash"),
    ],
    ids=[
        "no ca",
        "no constraints",
        "no usage",
        "no signing",
        "no path length",
        "a path",
        "3746 days",
        "another key",
        "rsa 1024",
        "p-224",
        "ed25519",
    ],
)
def test_a_bundle_with_what_is_no_root_of_today_is_refused_whole(old, certificate, flaw):
    with pytest.raises(BundleRefused, match=flaw):
        next_trust_anchors(old.root, [old.root, certificate()], now())


def test_a_host_certificate_is_no_anchor(old):
    with pytest.raises(BundleRefused, match="certification authority"):
        next_trust_anchors(old.root, [old.root, old.host], now())


def test_a_certificate_whose_extensions_cannot_be_understood_is_refused(old):
    octets = formats.der(old.root)
    oid = bytes.fromhex("0603551d13")  # basicConstraints
    broken = octets.replace(oid, bytes.fromhex("0603551d0f"), 1)  # keyUsage twice
    with pytest.raises(BundleRefused):
        next_trust_anchors(old.root, [old.root, x509.load_der_x509_certificate(broken)], now())


def test_a_certificate_of_a_version_that_is_none_is_refused(old):
    octets = formats.der(old.root)
    version = bytes.fromhex("a003020102")
    assert version in octets[:20]
    with pytest.raises(BundleRefused, match="no certificates are there"):
        anchors.read_certificates(octets.replace(version, bytes.fromhex("a003020101"), 1))


LAYOUTS = {
    "in one line": lambda octets: base64.b64encode(octets),
    "with lines": lambda octets: base64.encodebytes(octets),
    "with lines of Windows": lambda octets: base64.encodebytes(octets).replace(b"\n", b"\r\n"),
    "with a mark and blank lines": lambda octets: b"\xef\xbb\xbf\n" + base64.encodebytes(octets) + b"\n\n",
    "in DER": lambda octets: octets,
    "in PEM": lambda octets: b"-----BEGIN PKCS7-----\n" + base64.encodebytes(octets) + b"-----END PKCS7-----\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_answer_of_est_is_read_in_every_layout(old, new, layout):
    body = LAYOUTS[layout](formats.pkcs7_der([old.root, new.root]))
    assert set(anchors.read_certificates(body)) == {old.root, new.root}


def exports(old, new):
    """The files that the product gives a person, as they come through the hands of editors and mail programs."""
    bundle = formats.pem(new.root, new.host, old.root, old.host)
    text = b"Certificate:\n    Data:\n        Version: 3 (0x2)\n"
    return {
        "bundle": bundle,
        "bundle with a mark": b"\xef\xbb\xbf" + bundle,
        "bundle of Windows": bundle.replace(b"\n", b"\r\n"),
        "bundle of an old Macintosh": bundle.replace(b"\n", b"\r"),
        "bundle with text around": text
        + bundle.replace(b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n\n" + text),
        "bundle with spaces at the ends of lines": bundle.replace(b"\n", b"  \n"),
        "pkcs7": formats.pkcs7_pem([new.root, new.host, old.root, old.host]),
        "pkcs7 of Windows with a mark": b"\xef\xbb\xbf"
        + formats.pkcs7_pem([new.root, old.root]).replace(b"\n", b"\r\n"),
        "pkcs7 in DER": formats.pkcs7_der([new.root, old.root, new.host]),
        "old root in DER": formats.der(old.root),
        "old root in base64": base64.b64encode(formats.der(old.root)),
    }


@pytest.mark.parametrize("export", exports(a_pair_now(1), a_pair_now(2)))
def test_the_roots_of_every_export_of_ours_are_read_and_its_host_certificates_left_out(old, new, export):
    found = anchors.first_anchors(exports(old, new)[export])
    assert set(found) == ({old.root} if export.startswith("old") else {old.root, new.root})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_told_as_such(old, encoding):
    with pytest.raises(BundleRefused, match="UTF-16"):
        anchors.first_anchors(formats.pem(old.root).decode().encode(encoding))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no certificates"),
        (b"\xef\xbb\xbf\n", "no certificates"),
        (b"-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n", "no certificates"),
        (b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", "certificates"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "certificates"),
    ],
)
def test_a_file_without_certificates_is_refused(content, says):
    with pytest.raises(BundleRefused, match=says):
        anchors.first_anchors(content)


def test_host_certificates_alone_are_no_first_trust(old):
    with pytest.raises(BundleRefused, match="certification authority"):
        anchors.first_anchors(formats.pem(old.host))


def test_a_root_with_a_flaw_beside_a_good_one_is_refused(old):
    with pytest.raises(BundleRefused, match="pathLen"):
        anchors.first_anchors(formats.pem(old.root, a_root(path_length=None)))


@given(st.binary(max_size=300))
def test_any_octets_are_certificates_or_refused(octets):
    for read in (anchors.read_certificates, lambda body: anchors.read_certificates(base64.b64encode(body))):
        try:
            assert isinstance(read(octets), list)
        except BundleRefused:
            continue


@given(st.data())
@settings(max_examples=4 * settings.default.max_examples)
def test_a_damaged_answer_is_refused_or_still_certificates(data):
    octets = bytearray(formats.pkcs7_der([DAMAGED.root]))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        offered = anchors.read_certificates(base64.b64encode(octets))
        taken = next_trust_anchors(DAMAGED.root, offered, now())
    except BundleRefused:
        return
    assert DAMAGED.root in taken


DAMAGED = a_pair_now(5)
