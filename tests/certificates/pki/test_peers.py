"""What programs that share no code with the product say about its pairs."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from certificates.pki import formats
from certificates.pki.keys import KeyType
from tests.support.peers import require_program
from tests.support.x509 import IDENTITY, NOW, a_pair, pair_of, remade

every_kind = pytest.mark.parametrize(
    ("key_type", "addresses_as_dns"),
    [
        pytest.param(key_type, as_dns, id=f"{key_type}-{'addresses-as-names' if as_dns else 'addresses'}")
        for key_type in KeyType
        for as_dns in (False, True)
    ],
)


class Openssl:
    """``openssl verify`` with one trusted file and the time of the tests."""

    def __init__(self, directory):
        self.program = require_program("openssl")
        self.directory = directory

    def verify(self, host, *trusted, now=NOW, strict=True, options=()):
        (self.directory / "trusted.pem").write_bytes(formats.pem(*trusted))
        (self.directory / "host.pem").write_bytes(formats.pem(host))
        done = subprocess.run(
            [
                self.program, "verify", "-no-CApath", "-no-CAstore", "-CAfile", "trusted.pem", "-check_ss_sig",
                *(["-x509_strict"] if strict else []),
                "-attime", str(int(now.timestamp())), "-purpose", "sslserver", *options, "host.pem",
            ],
            cwd=self.directory, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        return "OK" if done.returncode == 0 else done.stderr


@pytest.fixture
def openssl(tmp_path):
    return Openssl(tmp_path)


@pytest.mark.peer
@every_kind
def test_openssl_accepts_it_strictly_for_every_name_and_address(openssl, key_type, addresses_as_dns):
    pair = pair_of(key_type, addresses_as_dns=addresses_as_dns)
    for name_ in IDENTITY.dns_names:
        assert openssl.verify(pair.host, pair.root, options=["-verify_hostname", name_]) == "OK"
    for address in IDENTITY.addresses:
        assert openssl.verify(pair.host, pair.root, options=["-verify_ip", str(address)]) == "OK"


@pytest.mark.peer
@pytest.mark.parametrize("key_type", list(KeyType))
def test_openssl_accepts_it_for_clients_too(openssl, key_type):
    pair = pair_of(key_type, addresses_as_dns=False)
    assert openssl.verify(pair.host, pair.root, options=["-purpose", "sslclient"]) == "OK"


@pytest.mark.peer
@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (NOW - timedelta(hours=24), "OK"),
        (NOW - timedelta(hours=24, seconds=1), "not yet valid"),
        (NOW + timedelta(days=395, seconds=-2), "OK"),
        # RFC 5280 counts this second, OpenSSL does not
        (NOW + timedelta(days=395, seconds=-1), "has expired"),
    ],
    ids=["first-second", "too-early", "last-second-for-openssl", "last-second"],
)
def test_openssl_sees_the_same_window_but_for_its_last_second(openssl, now, reason):
    pair = pair_of(KeyType.P256, addresses_as_dns=False)
    assert reason in openssl.verify(pair.host, pair.root, now=now)


@pytest.mark.peer
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-verify_hostname", "other.example"], "hostname mismatch"),
        (["-verify_ip", "192.0.2.11"], "IP address mismatch"),
    ],
    ids=["name", "address"],
)
def test_openssl_refuses_another_name_or_address(openssl, options, reason):
    pair = pair_of(KeyType.P256, addresses_as_dns=False)
    assert reason.lower() in openssl.verify(pair.host, pair.root, options=options).lower()


@pytest.mark.peer
def test_openssl_refuses_the_root_of_another_pair(openssl):
    assert "unable to get local issuer" in openssl.verify(a_pair().host, a_pair().root)


@pytest.mark.peer
def test_openssl_refuses_a_host_without_authority_key_identifier_only_because_it_is_strict(openssl):
    pair = remade(a_pair(), without=[x509.AuthorityKeyIdentifier])
    assert openssl.verify(pair.host, pair.root, strict=False) == "OK"
    assert "Missing Authority Key Identifier" in openssl.verify(pair.host, pair.root)


@pytest.mark.peer
@pytest.mark.parametrize("order", [1, -1], ids=["old-first", "new-first"])
def test_openssl_accepts_both_hosts_with_the_bundle_of_a_handover(openssl, order):
    old, new = a_pair(number=1), a_pair(number=2)
    bundle = formats.trust_bundle([(old.root, old.host), (new.root, new.host)][::order])
    assert openssl.verify(old.host, *bundle) == "OK"
    assert openssl.verify(new.host, *bundle) == "OK"


@pytest.mark.peer
def test_openssl_reads_the_pkcs7_of_a_bundle(tmp_path):
    program = require_program("openssl")
    pair = a_pair()
    (tmp_path / "bundle.p7b").write_bytes(formats.pkcs7_der([pair.root, pair.host]))
    listed = subprocess.run(
        [program, "pkcs7", "-inform", "DER", "-in", "bundle.p7b", "-print_certs"],
        cwd=tmp_path, capture_output=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    assert set(x509.load_pem_x509_certificates(listed)) == {pair.root, pair.host}


class Gnutls:
    """``certtool --verify``, which knows only the machine's clock: its pairs are made by that clock."""

    def __init__(self, directory):
        self.program = require_program("certtool")
        self.directory = directory
        self.now = datetime.now(UTC)

    def a_pair(self, **changes):
        return a_pair(**({"not_before": self.now - timedelta(days=1), "end": self.now + timedelta(days=1)} | changes))

    def accepts(self, pair, host_name="pbx.example.com"):
        (self.directory / "trusted.pem").write_bytes(formats.pem(pair.root))
        done = subprocess.run(
            [
                self.program, "--verify", "--verify-hostname", host_name, "--verify-purpose", "1.3.6.1.5.5.7.3.1",
                "--verify-profile", "medium", "--load-ca-certificate", "trusted.pem",
            ],
            input=formats.pem(pair.host), cwd=self.directory, capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        return done.returncode == 0 and b"The certificate is trusted" in done.stdout


@pytest.fixture
def gnutls(tmp_path):
    return Gnutls(tmp_path)


@pytest.mark.peer
@every_kind
def test_gnutls_accepts_it_for_every_name_and_address(gnutls, key_type, addresses_as_dns):
    pair = gnutls.a_pair(key_type=key_type, addresses_as_dns=addresses_as_dns)
    for host_name in [*IDENTITY.dns_names, *map(str, IDENTITY.addresses)]:
        assert gnutls.accepts(pair, host_name)


@pytest.mark.peer
def test_gnutls_refuses_another_name_root_or_time(gnutls):
    pair, now = gnutls.a_pair(), gnutls.now
    assert gnutls.accepts(pair)
    assert not gnutls.accepts(pair, "other.example")
    assert not gnutls.accepts(pair, "192.0.2.11")
    assert not gnutls.accepts(replace(pair, root=gnutls.a_pair().root))
    assert not gnutls.accepts(gnutls.a_pair(not_before=now - timedelta(days=9), end=now - timedelta(days=1)))
    assert not gnutls.accepts(gnutls.a_pair(not_before=now + timedelta(days=1), end=now + timedelta(days=9)))


def findings(certificate):
    """Code and place of every finding of pkilint's ``lint_pkix_cert`` that is more than information."""
    # A third of a second, which no other test needs.
    from pkilint.loader import RFC5280CertificateDocumentLoader
    from pkilint.pkix import certificate as lint
    from pkilint.pkix import extension, name
    from pkilint.validation import ValidationFindingSeverity

    linter = lint.create_pkix_certificate_validator_container(
        lint.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            lint.create_issuer_validator_container([]),
            lint.create_validity_validator_container(),
            lint.create_subject_validator_container([]),
            lint.create_extensions_validator_container([]),
            lint.create_spki_validator_container([]),
        ],
    )
    document = RFC5280CertificateDocumentLoader().load_der_document(formats.der(certificate))
    return [
        (found.finding.code, found.message or "")
        for result in linter.validate(document.root)
        for found in result.finding_descriptions
        if found.finding.severity < ValidationFindingSeverity.INFO
    ]


@every_kind
def test_pkilint_finds_nothing_but_the_addresses_written_as_names(key_type, addresses_as_dns):
    pair = pair_of(key_type, addresses_as_dns=addresses_as_dns)
    expected = [
        ("pkix.invalid_domain_name_syntax", f'Invalid domain name syntax: "{address}"')
        for address in IDENTITY.addresses
        if addresses_as_dns
    ]
    assert findings(pair.root) == []
    assert findings(pair.host) == expected


def test_pkilint_would_find_a_missing_key_identifier():
    assert findings(remade(a_pair(), without=[x509.AuthorityKeyIdentifier]).host)
