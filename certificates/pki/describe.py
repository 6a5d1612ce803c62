"""A parsed certificate as plain values with stable codes; the sentences are made elsewhere.

Every extension is described, one that is not known here by its OID and the DER of its value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.pki.authority import SIP_DOMAIN
from certificates.pki.formats import serial_hex, sha1_fingerprint, sha256_fingerprint


@dataclass(frozen=True)
class ExtensionItem:
    """One statement of an extension: a stable code, and the value it speaks of where there is one."""

    code: str
    value: str = ""


@dataclass(frozen=True)
class ExtensionDescription:
    """One extension (RFC 5280 section 4.2). `code` is ``unknown`` where only `oid` and the bytes can be told."""

    code: str
    oid: str
    critical: bool
    items: tuple[ExtensionItem, ...]


@dataclass(frozen=True)
class BasicFields:
    """The fields of RFC 5280 section 4.1. Names are for reading; `end` is the first instant of no validity."""

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    end: datetime
    key: str
    signature_hash: str
    sha256: str
    sha1: str


_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
# RFC 5280 section 4.2.1.3: these two speak only beside key_agreement
_KEY_AGREEMENT_LIMITS = ("encipher_only", "decipher_only")
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "server_auth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "client_auth",
    SIP_DOMAIN: "sip_domain",
}


def basic_fields(certificate: x509.Certificate) -> BasicFields:
    """What every certificate has."""
    signature_hash = certificate.signature_hash_algorithm
    return BasicFields(
        subject=_readable(certificate.subject),
        issuer=_readable(certificate.issuer),
        serial=serial_hex(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        end=certificate.not_valid_after_utc + timedelta(seconds=1),
        key=_key(certificate),
        signature_hash=signature_hash.name.upper() if signature_hash else "",
        sha256=sha256_fingerprint(certificate),
        sha1=sha1_fingerprint(certificate),
    )


def _readable(name: x509.Name) -> str:
    """The most specific attribute first, as in RFC 4514, but without its escapes, which hide umlauts and commas."""
    return ", ".join(f"{attribute.rfc4514_attribute_name} = {_value(attribute)}" for attribute in reversed(list(name)))


def _value(attribute: x509.NameAttribute[str | bytes]) -> str:
    return attribute.value if isinstance(attribute.value, str) else _hex(attribute.value)


def describe_extensions(certificate: x509.Certificate) -> tuple[ExtensionDescription, ...]:
    """Every extension in the order in which the certificate holds them."""
    return tuple(_extension(extension) for extension in certificate.extensions)


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__


def _extension(extension: x509.Extension[x509.ExtensionType]) -> ExtensionDescription:
    code, items = _words(extension.value)
    return ExtensionDescription(code, extension.oid.dotted_string, extension.critical, tuple(items))


def _words(value: x509.ExtensionType) -> tuple[str, Iterator[ExtensionItem]]:
    match value:
        case x509.BasicConstraints():
            return "basic_constraints", _basic_constraints(value)
        case x509.KeyUsage():
            return "key_usage", _key_usage(value)
        case x509.ExtendedKeyUsage():
            return "extended_key_usage", (_purpose(purpose) for purpose in value)
        case x509.SubjectAlternativeName():
            return "subject_alternative_name", (_name(name) for name in value)
        case x509.SubjectKeyIdentifier():
            return "subject_key_identifier", iter([ExtensionItem("key_identifier", _hex(value.digest))])
        case x509.AuthorityKeyIdentifier():
            return "authority_key_identifier", _authority_key_identifier(value)
        case _:
            return "unknown", iter([ExtensionItem("der", _hex(value.public_bytes()))])


def _basic_constraints(value: x509.BasicConstraints) -> Iterator[ExtensionItem]:
    if not value.ca:
        yield ExtensionItem("no_authority")
    elif value.path_length is None:
        yield ExtensionItem("authority")
    elif value.path_length == 0:
        yield ExtensionItem("authority_of_last_level")
    else:
        yield ExtensionItem("authority_with_levels", str(value.path_length))


def _key_usage(value: x509.KeyUsage) -> Iterator[ExtensionItem]:
    asked = _KEY_USAGES + (_KEY_AGREEMENT_LIMITS if value.key_agreement else ())
    return (ExtensionItem(usage) for usage in asked if getattr(value, usage))


def _purpose(purpose: x509.ObjectIdentifier) -> ExtensionItem:
    if code := _PURPOSES.get(purpose):
        return ExtensionItem(code)
    return ExtensionItem("purpose", purpose.dotted_string)


def _name(name: x509.GeneralName) -> ExtensionItem:
    match name:
        case x509.DNSName():
            return ExtensionItem("dns_name", name.value)
        case x509.IPAddress():
            return ExtensionItem("address", str(name.value))
        case x509.UniformResourceIdentifier():
            return ExtensionItem("uri", name.value)
        case _:
            return ExtensionItem("other_name", str(name.value))


def _authority_key_identifier(value: x509.AuthorityKeyIdentifier) -> Iterator[ExtensionItem]:
    if value.key_identifier is not None:
        yield ExtensionItem("issuer_key_identifier", _hex(value.key_identifier))
    if value.authority_cert_serial_number is not None:
        yield ExtensionItem("issuer_serial", f"{value.authority_cert_serial_number:x}")


def _hex(octets: bytes) -> str:
    return octets.hex(":").upper()
