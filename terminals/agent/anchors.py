"""Which certificates become trust anchors. Pure: no clock, no disk, no network."""

from __future__ import annotations

import base64
import binascii
import warnings
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from terminals.agent.errors import BundleRefused

MOST_ANCHORS = 16
"""A server hands out two or three; the bound keeps a faulty one from filling the store."""
LEAST_RSA_BITS = 2048
LEAST_CURVE_BITS = 256

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises over octets that are not as X.509 has them, when they are read or a part of them is looked at."""


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER in lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def fingerprints(certificates: Iterable[x509.Certificate]) -> frozenset[str]:
    return frozenset(map(fingerprint, certificates))


def valid(certificates: Iterable[x509.Certificate], now: datetime) -> list[x509.Certificate]:
    """Those that have not ended. One that is not valid yet counts: it will be, and telephones boot with clocks that are behind."""
    return [certificate for certificate in certificates if now <= certificate.not_valid_after_utc]


def read_cacerts(body: bytes) -> list[x509.Certificate]:
    """The certificates of an EST answer: certs-only PKCS#7 in base64 (RFC 7030 section 4.1.3, RFC 8951). Raises BundleRefused."""
    try:
        octets = base64.b64decode(b"".join(body.split()), validate=True)
        with warnings.catch_warnings():
            # cryptography warns where it has to guess: what is no DER.
            warnings.simplefilter("error", UserWarning)
            return pkcs7.load_der_pkcs7_certificates(octets)
    except binascii.Error:
        raise BundleRefused("the answer is not base64") from None
    except (*UNREADABLE, UserWarning) as error:
        raise BundleRefused(f"the answer holds no certificates: {error}") from None


def read_any(body: bytes) -> list[x509.Certificate]:
    """Certificates in PEM, in DER, or as EST hands them out. Raises BundleRefused."""
    try:
        if b"-----BEGIN CERTIFICATE" in body:
            return x509.load_pem_x509_certificates(body)
        if body[:1] == b"\x30":
            return [x509.load_der_x509_certificate(body)]
    except UNREADABLE as error:
        raise BundleRefused(f"not a certificate: {error}") from None
    return read_cacerts(body)


def next_anchors(
    held: Iterable[x509.Certificate], offered: Iterable[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """The anchors to trust from now on: what is offered, without those that have ended, the newest first.

    Raises BundleRefused where it is too much, holds what is no root certificate, holds none that is valid, or holds none
    that is trusted already: a server that changes goes through a time in which both are handed out (RFC 7030 section 4.1.3).
    """
    offered = list({fingerprint(one): one for one in offered}.values())
    if len(offered) > MOST_ANCHORS:
        raise BundleRefused(f"{len(offered)} certificates are more than {MOST_ANCHORS}")
    for certificate in offered:
        if flaw := flaw_of_root(certificate):
            raise BundleRefused(f"certificate {fingerprint(certificate)} {flaw}")
    usable = valid(offered, now)
    if not usable:
        raise BundleRefused("no certificate that is still valid is handed out")
    if not fingerprints(usable) & fingerprints(held):
        raise BundleRefused("none of the certificates handed out is trusted already")
    return sorted(usable, key=lambda one: (one.not_valid_after_utc, fingerprint(one)), reverse=True)


def flaw_of_root(certificate: x509.Certificate) -> str | None:
    """Why it cannot be a trust anchor: RFC 5280 sections 4.2.1.3 and 4.2.1.9, signed by itself, with a key and a hash of today."""
    try:
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return "is not one of a certification authority"
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            return "may not sign certificates"
        certificate.verify_directly_issued_by(certificate)
        if not isinstance(certificate.signature_hash_algorithm, _HASHES):
            return "is signed with a weak hash"
        key = certificate.public_key()
        _ = certificate.not_valid_after_utc
    except x509.ExtensionNotFound:
        return "is not one of a certification authority"
    except InvalidSignature:
        return "is not signed by itself"
    except UNREADABLE:
        return "cannot be understood"
    if isinstance(key, rsa.RSAPublicKey):
        return None if key.key_size >= LEAST_RSA_BITS else "has a weak key"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.key_size >= LEAST_CURVE_BITS else "has a weak key"
    return "has a key of an unknown kind"
