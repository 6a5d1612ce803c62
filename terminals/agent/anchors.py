"""Which certificates become trust anchors (rule agent-trust). Pure: no clock, no disk, no network."""

import base64
import binascii
import codecs
import contextlib
import re
import warnings
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from terminals.agent.errors import BundleRefused

MOST_ANCHORS = 16
"""A server hands out two or three; the bound keeps a faulty one from filling the store."""
LONGEST_LIFE = timedelta(days=3745)
"""The longest pair of the product: an interval of 3,650 days, an overlap of 90, a day before and one to the nearest T."""
LEAST_RSA_BITS = 2048
LEAST_CURVE_BITS = 256

_PEM = re.compile(rb"-----BEGIN (CERTIFICATE|X509 CERTIFICATE|PKCS7|CMS)-----(.*?)-----END \1-----", re.DOTALL)
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # id-signedData (RFC 5652 section 5.1), in DER
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
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
    """The certificates that have not ended. One that is not valid yet counts: hosts boot with late clocks."""
    return [certificate for certificate in certificates if now <= certificate.not_valid_after_utc]


def read_certificates(body: bytes) -> list[x509.Certificate]:
    """The certificates of a file, or of a CA certificates response (RFC 7030 section 4.1.3, RFC 8951), in whatever layout:
    PEM with text around it (RFC 7468), a certs-only PKCS#7 in PEM, in DER or in base64 with lines or without, one
    certificate in DER. Raises BundleRefused.
    """
    if body.startswith(_UTF_16) or b"\0-\0-\0" in body:
        raise BundleRefused("what is to hold certificates is a text in UTF-16: save it as UTF-8 or ASCII")
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        if body.startswith(b"\x30") and not body.isascii():
            return _of_der(body)
        blocks = _PEM.findall(body)
        if blocks or b"-----" in body:
            return [one for _, block in blocks for one in _of_der(_base64(block))]
        return _of_der(_base64(body))
    except binascii.Error:
        raise BundleRefused("no certificates are there: neither PEM, nor DER, nor base64") from None
    except (*UNREADABLE, UserWarning) as error:
        raise BundleRefused(f"no certificates are there that can be read: {error}") from None


def _base64(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split()), validate=True)


def _of_der(octets: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        # cryptography warns where it has to guess: what is no DER.
        warnings.simplefilter("error", UserWarning)
        if _SIGNED_DATA in octets[:24]:
            return pkcs7.load_der_pkcs7_certificates(octets)
        return [x509.load_der_x509_certificate(octets)]


def first_anchors(content: bytes) -> list[x509.Certificate]:
    """What is to be trusted first: the roots among the certificates that somebody was given, so that each export of the
    product will do. Raises BundleRefused where there is none, or one that is no anchor.
    """
    found = read_certificates(content)
    if not found:
        raise BundleRefused("no certificates are there")
    roots = [one for one in found if one.issuer == one.subject] or found
    for certificate in roots:
        if flaw := flaw_of_root(certificate):
            raise BundleRefused(f"the first certificate to trust {flaw}")
    return roots


def next_trust_anchors(
    served: x509.Certificate, offered: Iterable[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """The anchors to trust from now on: what is offered over a connection that `served` secures, without those that
    have ended, the newest first. Raises BundleRefused where it is too much, holds what is no anchor, holds none that is
    valid, or not `served` itself: a server that changes goes through a time in which both are handed out (RFC 7030
    section 4.1.3).
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
    if fingerprint(served) not in fingerprints(usable):
        raise BundleRefused("the root that secures the server is not among those handed out")
    return sorted(usable, key=lambda one: (one.not_valid_after_utc, fingerprint(one)), reverse=True)


def issuer_of(certificate: x509.Certificate, held: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """The anchor that has signed this certificate itself: with pathLen 0 no other stands between them."""
    for anchor in held:
        with contextlib.suppress(*UNREADABLE, InvalidSignature):
            certificate.verify_directly_issued_by(anchor)
            return anchor
    return None


def flaw_of_root(certificate: x509.Certificate) -> str | None:
    """Why a certificate cannot be a trust anchor: one is a CA for host certificates only (RFC 5280 sections 4.2.1.3 and
    4.2.1.9), signs itself, lasts no longer than ours, and has a key and a hash of today.
    """
    try:
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            return "is not one of a certification authority"
        if constraints.path_length != 0:
            return "allows chains of certification authorities: its pathLen is not 0"
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            return "may not sign certificates"
        certificate.verify_directly_issued_by(certificate)
        if not isinstance(certificate.signature_hash_algorithm, _HASHES):
            return "is signed with a weak hash"
        key = certificate.public_key()
        if certificate.not_valid_after_utc - certificate.not_valid_before_utc > LONGEST_LIFE:
            return f"lasts longer than {LONGEST_LIFE.days} days"
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
