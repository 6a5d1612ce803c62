"""Which certificates become trust anchors."""

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
from terminals.agent.anchors import MOST_ANCHORS, next_anchors
from terminals.agent.errors import BundleRefused
from tests.support.est_server import a_pair_now, in_est
from tests.support.x509 import remade

DAY = timedelta(days=1)


def now():
    return datetime.now(UTC)


def a_root(key=None, *, ca=True, cert_sign=True, without=(), algorithm=None, signed_with=None):
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
        .not_valid_after(now() + DAY)
    )
    for extension in (
        x509.BasicConstraints(ca=ca, path_length=None),
        x509.KeyUsage(**usage | {"key_cert_sign": cert_sign, "digital_signature": True}),
    ):
        if type(extension) not in without:
            builder = builder.add_extension(extension, critical=True)
    default = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signed_with or key, algorithm or default)


def test_old_and_new_are_taken_the_newest_first(old, new):
    assert next_anchors([old.root], [old.root, new.root], now()) == [new.root, old.root]


def test_one_that_is_offered_twice_is_taken_once(old):
    assert next_anchors([old.root], [old.root, old.root], now()) == [old.root]


def test_what_is_not_offered_is_dropped_as_long_as_one_stays(old, new):
    assert next_anchors([old.root, new.root], [old.root], now()) == [old.root]


def test_one_that_has_ended_is_left_out(old):
    ended = a_pair_now(1, end=now() - DAY)
    assert next_anchors([old.root], [old.root, ended.root], now()) == [old.root]


def test_one_that_is_not_valid_yet_is_taken(old):
    early = a_pair_now(1, not_before=now() + DAY)
    assert early.root in next_anchors([old.root], [old.root, early.root], now())


@pytest.mark.parametrize("offered", [[], ["ended"]])
def test_a_bundle_with_nothing_valid_is_refused(old, offered):
    ended = a_pair_now(1, end=now() - DAY)
    with pytest.raises(BundleRefused, match="still valid"):
        next_anchors([old.root, ended.root], [ended.root for _ in offered], now())


def test_one_that_has_ended_does_not_vouch_for_others(old):
    ended = a_pair_now(1, end=now() - DAY)
    with pytest.raises(BundleRefused, match="trusted already"):
        next_anchors([ended.root], [ended.root, old.root], now())


def test_the_same_name_and_number_do_not_make_the_same_root(old, strange):
    with pytest.raises(BundleRefused, match="trusted already"):
        next_anchors([old.root], [remade(old).root], now())


def test_too_many_are_refused(old):
    key = ec.generate_private_key(ec.SECP256R1())
    many = [a_root(key) for _ in range(MOST_ANCHORS)]
    with pytest.raises(BundleRefused, match="17 certificates are more than 16"):
        next_anchors([old.root], [old.root, *many], now())
    assert len(next_anchors([old.root], [old.root, *many[1:]], now())) == MOST_ANCHORS


def test_a_good_root_of_somebody_elses_has_no_flaw():
    assert anchors.flaw_of_root(a_root()) is None
    assert anchors.flaw_of_root(a_root(rsa.generate_private_key(65537, 2048))) is None


@pytest.mark.parametrize(
    ("certificate", "flaw"),
    [
        (lambda: a_root(ca=False, cert_sign=False), "certification authority"),
        (lambda: a_root(without=[x509.BasicConstraints]), "certification authority"),
        (lambda: a_root(without=[x509.KeyUsage]), "certification authority"),
        (lambda: a_root(cert_sign=False), "may not sign"),
        (lambda: a_root(signed_with=ec.generate_private_key(ec.SECP256R1())), "not signed by itself"),
        (lambda: a_root(rsa.generate_private_key(65537, 1024)), "weak key"),
        (lambda: a_root(ec.generate_private_key(ec.SECP224R1())), "weak key"),
        (lambda: a_root(ed25519.Ed25519PrivateKey.generate()), "weak hash"),
    ],
    ids=["no ca", "no constraints", "no usage", "no signing", "another key", "rsa 1024", "p-224", "ed25519"],
)
def test_a_bundle_with_what_is_no_root_of_today_is_refused_whole(old, certificate, flaw):
    with pytest.raises(BundleRefused, match=flaw):
        next_anchors([old.root], [old.root, certificate()], now())


def test_a_host_certificate_is_no_anchor(old):
    with pytest.raises(BundleRefused, match="certification authority"):
        next_anchors([old.root], [old.root, old.host], now())


def test_a_certificate_whose_extensions_cannot_be_understood_is_refused(old):
    octets = formats.der(old.root)
    oid = bytes.fromhex("0603551d13")  # basicConstraints
    broken = octets.replace(oid, bytes.fromhex("0603551d0f"), 1)  # keyUsage twice
    with pytest.raises(BundleRefused):
        next_anchors([old.root], [old.root, x509.load_der_x509_certificate(broken)], now())


def test_a_certificate_of_a_version_that_is_none_is_refused(old):
    octets = formats.der(old.root)
    version = bytes.fromhex("a003020102")
    assert version in octets[:20]
    with pytest.raises(BundleRefused, match="not a certificate"):
        anchors.read_any(octets.replace(version, bytes.fromhex("a003020101"), 1))


def test_the_answer_of_est_is_read_with_and_without_lines(old, new):
    whole = in_est(old.root, new.root)
    for body in (whole, whole.replace(b"\n", b"\r\n"), whole.replace(b"\n", b"")):
        assert set(anchors.read_cacerts(body)) == {old.root, new.root}


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_octets_are_certificates_or_refused(octets):
    for read in (anchors.read_any, lambda body: anchors.read_cacerts(base64.b64encode(body))):
        try:
            assert isinstance(read(octets), list)
        except BundleRefused:
            continue


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_a_damaged_answer_is_refused_or_still_certificates(data):
    octets = bytearray(formats.pkcs7_der([DAMAGED.root]))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        offered = anchors.read_cacerts(base64.b64encode(octets))
        taken = next_anchors([DAMAGED.root], offered, now())
    except BundleRefused:
        return
    assert DAMAGED.root in taken


DAMAGED = a_pair_now(5)
