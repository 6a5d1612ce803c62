"""Pairs to test with, and what every root, host and chain must be, stated once."""

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.pki import authority
from certificates.pki.authority import SIP_DOMAIN, Pair, make_pair
from certificates.pki.identity import Identity
from certificates.pki.keys import KeyType, SecretPem, generate_two, host_key_pem, load_host_key
from certificates.pki.verify import shake_hands
from tests.support.made_once import made_once

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
IDENTITY = Identity(
    ("pbx.example.com", "sip.xn--mller-kva.example"), (ip_address("192.0.2.10"), ip_address("2001:db8::10"))
)


def a_pair(**changes):
    """A pair as the product makes one at `NOW`, on P-256 because that is quick."""
    wanted = {
        "number": 7,
        "identity": IDENTITY,
        "key_type": KeyType.P256,
        "addresses_as_dns": False,
        "made_at": NOW,
        "not_before": NOW - timedelta(hours=24),
        "end": NOW + timedelta(days=395),
        "organisation": "Site",
    }
    return make_pair(**(wanted | changes))


@cache
def pair_of(key_type, *, addresses_as_dns=False):
    """One for each kind of key, and both with the same keys: those of RSA take their time."""
    with patch.object(authority, "generate_two", _two_keys):
        return a_pair(key_type=key_type, addresses_as_dns=addresses_as_dns)


@cache
def _two_keys(key_type):
    def make(place):
        place.write_bytes(b"\0".join(host_key_pem(key).reveal() for key in generate_two(key_type)))

    return tuple(load_host_key(SecretPem(pem)) for pem in made_once(f"{key_type}.keys", make).read_bytes().split(b"\0"))


def remade(pair, *, without=(), root_without=(), root_name=None, not_before=None, not_after=None, instead=()):
    """The pair again with new keys, its host lacking or having other extensions: what the product never makes."""
    root_key, host_key = generate_two(KeyType.P256)
    issuer = root_name or pair.root.subject
    root = _copy(
        pair.root, issuer, issuer, root_key, root_key, _own_identifiers(pair.root, root_key, root_key), root_without
    )
    extensions = _own_identifiers(pair.host, host_key, root_key) | dict(instead)
    host = _copy(pair.host, pair.host.subject, issuer, host_key, root_key, extensions, without, not_before, not_after)
    return Pair(root, host, host_key_pem(host_key))


def _own_identifiers(certificate, key, issuer_key):
    fresh = {
        x509.SubjectKeyIdentifier: (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        x509.AuthorityKeyIdentifier: (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            False,
        ),
    }
    return {type(e.value): (e.value, e.critical) for e in certificate.extensions} | fresh


def _copy(certificate, subject, issuer, key, issuer_key, extensions, without, not_before=None, not_after=None):
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or certificate.not_valid_before_utc)
        .not_valid_after(not_after or certificate.not_valid_after_utc)
    )
    for kind, (value, critical) in extensions.items():
        if kind not in without:
            builder = builder.add_extension(value, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def held(certificate, kind):
    """An extension's value and whether it is critical."""
    extension = certificate.extensions.get_extension_for_class(kind)
    return extension.value, extension.critical


def usages(certificate):
    """The names of the bits that keyUsage sets."""
    usage, critical = held(certificate, x509.KeyUsage)
    assert critical
    bits = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    return {bit for bit in [*bits, "key_cert_sign", "crl_sign"] if getattr(usage, bit)}


def _assert_common(certificate, issuer):
    assert certificate.version is x509.Version.v3
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert len(certificate.subject) > 0
    assert certificate.serial_number.bit_length() > 64
    assert certificate.serial_number.bit_length() < 160
    subject_key, critical = held(certificate, x509.SubjectKeyIdentifier)
    assert not critical
    assert subject_key == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    authority_key, critical = held(certificate, x509.AuthorityKeyIdentifier)
    assert not critical
    assert authority_key.key_identifier == held(issuer, x509.SubjectKeyIdentifier)[0].digest


def assert_is_root(certificate):
    """The profile of a root certificate (RFC 5280 section 4.2.1.9)."""
    _assert_common(certificate, certificate)
    assert certificate.subject == certificate.issuer
    certificate.verify_directly_issued_by(certificate)
    assert held(certificate, x509.BasicConstraints) == (x509.BasicConstraints(ca=True, path_length=0), True)
    assert usages(certificate) == {"key_cert_sign", "crl_sign"}
    assert len(certificate.extensions) == 4


def assert_is_host(certificate, root, *, identity=IDENTITY, addresses_as_dns=False):
    """The profile of a host certificate."""
    _assert_common(certificate, root)
    certificate.verify_directly_issued_by(root)
    assert certificate.not_valid_before_utc >= root.not_valid_before_utc
    assert certificate.not_valid_after_utc <= root.not_valid_after_utc
    assert held(certificate, x509.BasicConstraints) == (x509.BasicConstraints(ca=False, path_length=None), True)
    is_rsa = isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert usages(certificate) == ({"digital_signature", "key_encipherment"} if is_rsa else {"digital_signature"})
    purposes, critical = held(certificate, x509.ExtendedKeyUsage)
    assert not critical
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, SIP_DOMAIN}
    names, critical = held(certificate, x509.SubjectAlternativeName)
    assert not critical
    as_text = [str(address) for address in identity.addresses] if addresses_as_dns else []
    assert sorted(names.get_values_for_type(x509.DNSName)) == sorted([*identity.dns_names, *as_text])
    assert sorted(map(str, names.get_values_for_type(x509.IPAddress))) == sorted(map(str, identity.addresses))
    assert len(names) == len(identity.dns_names) + len(identity.addresses) + len(as_text)
    assert len(certificate.extensions) == 6


def assert_strict_chain(pair, *, identity=IDENTITY, now=NOW):
    """cryptography's verifier for each name and address, and a strict OpenSSL client in a handshake for each."""
    policy = verification.PolicyBuilder().store(verification.Store([pair.root])).time(now)
    for name in identity.dns_names:
        policy.build_server_verifier(x509.DNSName(name)).verify(pair.host, [])
        shake_hands(pair, server_name=name)
    for address in identity.addresses:
        policy.build_server_verifier(x509.IPAddress(address)).verify(pair.host, [])
        shake_hands(pair, server_name=str(address))
