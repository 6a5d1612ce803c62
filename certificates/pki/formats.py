"""Certificates as bytes, in the forms in which servers, telephones and people want them."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from certificates.pki.errors import UnreadableError
from certificates.pki.keys import KeyType, SecretPem

_KEY_AND_SIGNATURE = {KeyType.RSA2048: (294, 256), KeyType.RSA3072: (422, 384), KeyType.P256: (91, 72)}
"""Octets of a SubjectPublicKeyInfo (RFC 3279 section 2.3.1, RFC 5480) and of a signature with such a key."""


@lru_cache(maxsize=64)
def pem(*certificates: x509.Certificate) -> bytes:
    """PEM (RFC 7468) in the order given, lines ended by LF. Each page compares the files with it."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def der(certificate: x509.Certificate) -> bytes:
    """DER, for a ``.der`` or ``.cer`` file."""
    return certificate.public_bytes(Encoding.DER)


def pkcs7_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """A certs-only PKCS#7 (RFC 5652 section 5, RFC 8551 section 3.8) in PEM, for a ``.p7b`` file.

    It is a set: DER sorts the certificates, so the order given does not survive.
    """
    return serialize_certificates(list(certificates), Encoding.PEM)


def pkcs7_der(certificates: Sequence[x509.Certificate]) -> bytes:
    """As `pkcs7_pem`, in DER: what EST (RFC 7030 section 4.1.3) encodes in base64."""
    return serialize_certificates(list(certificates), Encoding.DER)


def fullchain_pem(host: x509.Certificate, root: x509.Certificate) -> bytes:
    """What a TLS server sends: its own certificate first (RFC 8446 section 4.4.2)."""
    return pem(host, root)


def agent_pem(host: x509.Certificate, host_key: SecretPem) -> bytes:
    """Certificate and private key for servers that want one file."""
    return pem(host) + host_key.reveal()


def trust_bundle(pairs: Iterable[tuple[x509.Certificate, x509.Certificate]]) -> list[x509.Certificate]:
    """Root and host certificate of each ``(root, host)`` in the order given, each certificate once."""
    return list(dict.fromkeys(certificate for pair in pairs for certificate in pair))


def octets_with(certificate: x509.Certificate, key_type: KeyType) -> int:
    """How many octets of DER a certificate has that says the same with keys of another type, its own and its issuer's; a few less or
    more, by how many of its lengths need an octet more, and by the leading zeros of the numbers of an ECDSA signature.
    """
    own = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public_key, signature = _KEY_AND_SIGNATURE[key_type]
    return len(der(certificate)) - len(own) - len(certificate.signature) + public_key + signature


def pem_octets(octets: int) -> int:
    """Of the PEM (RFC 7468) of one certificate with so many octets of DER."""
    in_base64 = 4 * math.ceil(octets / 3)
    return in_base64 + math.ceil(in_base64 / 64) + len("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")


def load_pem(text: bytes | str) -> x509.Certificate:
    """The first certificate in PEM text. Raises `UnreadableError`."""
    try:
        return x509.load_pem_x509_certificate(text.encode() if isinstance(text, str) else text)
    except ValueError as error:
        raise UnreadableError("not a certificate in PEM") from error


def sha256_fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the DER as ``AB:CD:...``."""
    return _colons(certificate.fingerprint(hashes.SHA256()))


def sha1_fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-1 of the DER as ``AB:CD:...``: only to compare with telephones that show nothing else."""
    return _colons(certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - identifies, protects nothing


def serial_hex(certificate: x509.Certificate) -> str:
    """The serial number as ``AB:CD:...``, as openssl and telephones show it."""
    number = certificate.serial_number
    return _colons(number.to_bytes(max(1, (number.bit_length() + 7) // 8)))


def _colons(octets: bytes) -> str:
    return octets.hex(":").upper()
