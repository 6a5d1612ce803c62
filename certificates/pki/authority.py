"""A pair: one root certificate and the host certificate signed by it, always made together.

The root's private key lives only while `make_pair` runs (rule root-key). Each profile below shows only what root and
host do not share (rule profile).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from certificates.pki.errors import IdentityCode, IdentityError
from certificates.pki.identity import Identity
from certificates.pki.keys import KeyType, PrivateKey, SecretPem, generate_two, host_key_pem

# RFC 5924 section 3: a strict SIP client refuses an extKeyUsage that lacks it.
SIP_DOMAIN = ObjectIdentifier("1.3.6.1.5.5.7.3.20")
# RFC 5280 appendix A.1, ub-organization-name
ORGANISATION_LIMIT = 64


@dataclass(frozen=True)
class Pair:
    """A root certificate, the host certificate signed by it, and the host's private key."""

    root: x509.Certificate
    host: x509.Certificate
    host_key: SecretPem


def make_pair(
    *,
    number: int,
    identity: Identity,
    key_type: KeyType,
    addresses_as_dns: bool,
    made_at: datetime,
    not_before: datetime,
    end: datetime,
    organisation: str = "",
) -> Pair:
    """Make both keys and both certificates (RFC 5280), with the same validity: a host must never outlive its root.

    `end` is exclusive and notAfter inclusive (RFC 5280 section 4.1.2.5), so notAfter is one second less. Fractions of a
    second are cut off. An organisation longer than the field is cut: a long site name must not stop a renewal. Raises
    `IdentityError` (``identity_empty``) for an identity without a name and an address, `ValueError` for instants
    without a time zone or a validity that ends before it begins.
    """
    if not identity:
        raise IdentityError(IdentityCode.IDENTITY_EMPTY, "")
    validity = _validity(not_before, end)
    made_at = made_at.astimezone(UTC)

    root_key, host_key = generate_two(key_type)
    root_serial = x509.random_serial_number()
    # Two roots of the same name without AKI break OpenSSL clients, hence a name of its own for each: the number and
    # the date tell a person which one it is, the serial number keeps two installations apart.
    root_name = _name(f"pbxcerts Root {number:04d} {made_at:%Y-%m-%d} {root_serial >> 128:08x}", organisation)
    root = _sign(
        _certificate(root_name, root_name, root_key, root_key, validity)
        .serial_number(root_serial)
        # Certificates signed by the host certificate would be trusted without pathLen 0.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True),
        root_key,
    )
    host = _sign(
        _certificate(_name(identity.common_name, organisation), root_name, host_key, root_key, validity)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # The key exchange of old TLS 1.2 telephones encrypts with an RSA key; an EC key only ever signs.
        .add_extension(
            _key_usage(digital_signature=True, key_encipherment=isinstance(host_key, RSAPrivateKey)), critical=True
        )
        .add_extension(
            x509.ExtendedKeyUsage(
                [
                    ExtendedKeyUsageOID.SERVER_AUTH,
                    # A communication server opens TLS connections itself: trunks, mutual TLS.
                    ExtendedKeyUsageOID.CLIENT_AUTH,
                    SIP_DOMAIN,
                ]
            ),
            critical=False,
        )
        # Not critical, because the subject is never empty (RFC 5280 section 4.2.1.6).
        .add_extension(
            x509.SubjectAlternativeName(identity.general_names(addresses_as_dns=addresses_as_dns)), critical=False
        ),
        root_key,
    )
    return Pair(root=root, host=host, host_key=host_key_pem(host_key))


def _validity(not_before: datetime, end: datetime) -> tuple[datetime, datetime]:
    if not_before.tzinfo is None or end.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    first = not_before.astimezone(UTC).replace(microsecond=0)
    last = end.astimezone(UTC).replace(microsecond=0) - timedelta(seconds=1)
    if last < first:
        raise ValueError(f"a validity from {not_before} ends before it begins: {end}")
    return first, last


def _name(common_name: str, organisation: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation := organisation.strip()[:ORGANISATION_LIMIT].rstrip():
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(attributes)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, issuer_key: PrivateKey, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    """What root and host share: names, validity and both key identifiers, which strict clients ask for."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(certificate: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return certificate.sign(key, hashes.SHA256())
