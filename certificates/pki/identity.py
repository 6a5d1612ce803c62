"""Under which names and addresses a communication server is reached, parsed and normalised once
(rule names-in-certificate).

`parse_dns_name` takes a name for a dNSName entry:

1. spaces around it and one trailing dot are dropped;
2. labels with other than ASCII letters become A-labels (IDNA 2003, RFC 3490, of the standard library). Where IDNA
   2008 would give another name (sharp s, final sigma, joiners; UTS 46 section 2.3) the name is refused: its
   ``xn--`` form says what is meant;
3. what remains is a host name of RFC 1123 section 2.1 in lower case: letters, digits and inner hyphens, labels of at
   most 63 and in all at most 253 characters. A SIP client matches a whole name (RFC 5922 section 7.2), so no wildcard;
4. what a client would read as an IP address is none: its last label is a number.

`parse_address` takes an address for an iPAddress entry, in any spelling that RFC 4291 section 2.2 allows, also in
brackets. An IPv4-mapped IPv6 address becomes the IPv4 address that clients connect to.
"""

import re
import stringprep
from dataclasses import dataclass
from encodings.idna import nameprep
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from cryptography import x509

from certificates.pki.errors import IdentityCode, IdentityError

# RFC 5280 appendix A.1, ub-common-name
COMMON_NAME_LIMIT = 64
# Not a host name, so that no client takes it for one.
UNNAMED = "Communication server"

_LABEL_LIMIT = 63
_NAME_LIMIT = 253
_IDNA_DEVIATIONS = frozenset("ß\N{LATIN CAPITAL LETTER SHARP S}ς\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
_IDNA_DOTS = re.compile("[\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH FULL STOP}\N{HALFWIDTH IDEOGRAPHIC FULL STOP}]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True)
class Identity:
    """The names and addresses of one communication server, each of them once, the most important first."""

    dns_names: tuple[str, ...]
    addresses: tuple[IPv4Address | IPv6Address, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dns_names", tuple(dict.fromkeys(self.dns_names)))
        object.__setattr__(self, "addresses", tuple(dict.fromkeys(self.addresses)))

    def __bool__(self) -> bool:
        return bool(self.dns_names or self.addresses)

    @property
    def common_name(self) -> str:
        """The first name, else the first address, that fits into a commonName; `UNNAMED` where none does."""
        candidates = (*self.dns_names, *map(str, self.addresses))
        return next((name for name in candidates if len(name) <= COMMON_NAME_LIMIT), UNNAMED)

    def general_names(self, *, addresses_as_dns: bool) -> tuple[x509.GeneralName, ...]:
        """The entries of subjectAltName (RFC 5280 section 4.2.1.6).

        With `addresses_as_dns` each address stands as dNSName too, for TLS libraries that know no iPAddress.
        """
        return (
            *(x509.DNSName(name) for name in self.dns_names),
            *(x509.DNSName(str(address)) for address in self.addresses if addresses_as_dns),
            *(x509.IPAddress(address) for address in self.addresses),
        )

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "Identity":
        """The names and addresses that a certificate was made for. An address that stands there as dNSName is no name."""
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return cls((), ())
        addresses = names.get_values_for_type(x509.IPAddress)
        single = tuple(one for one in addresses if isinstance(one, IPv4Address | IPv6Address))
        texts = set(map(str, single))
        return cls(tuple(name for name in names.get_values_for_type(x509.DNSName) if name not in texts), single)

    def missing_from(self, certificate: x509.Certificate, *, addresses_as_dns: bool = False) -> tuple[str, ...]:
        """What of this identity the certificate does not hold, as text, each once."""
        try:
            held = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            held = set()
        wanted = self.general_names(addresses_as_dns=addresses_as_dns)
        return tuple(dict.fromkeys(str(name.value) for name in wanted if name not in held))

    def merged_with(self, other: "Identity") -> "Identity":
        """This identity and then what only the other one has."""
        return Identity(self.dns_names + other.dns_names, self.addresses + other.addresses)


def parse_dns_name(text: str) -> str:
    """The name in the form in which certificates hold it. Raises `IdentityError` with one of the ``dns_`` codes."""
    name = _IDNA_DOTS.sub(".", text.strip()).removesuffix(".")
    _refuse_by_sight(name, text)
    labels = [_a_label(label, text) for label in name.split(".")]
    for label in labels:
        _check_label(label, text)
    name = ".".join(labels)
    if len(name) > _NAME_LIMIT:
        raise IdentityError(IdentityCode.DNS_TOO_LONG, text)
    if _NUMBER.fullmatch(labels[-1]):
        raise IdentityError(IdentityCode.DNS_IS_ADDRESS, text)
    return name


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """The address. Raises `IdentityError` with one of the ``address_`` codes.

    Loopback is allowed: whoever runs server and telephone on one machine needs it.
    """
    stripped = text.strip()
    if not stripped:
        raise IdentityError(IdentityCode.ADDRESS_EMPTY, text)
    if stripped.startswith("[") and stripped.endswith("]") and ":" in stripped:
        stripped = stripped[1:-1]
    try:
        address = ip_address(stripped)
    except ValueError:
        raise IdentityError(IdentityCode.ADDRESS_SYNTAX, text) from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise IdentityError(IdentityCode.ADDRESS_SCOPE, text)
        address = address.ipv4_mapped or address
    if address.is_unspecified or (isinstance(address, IPv4Address) and address in _THIS_NETWORK):
        raise IdentityError(IdentityCode.ADDRESS_UNSPECIFIED, text)
    if address.is_multicast:
        raise IdentityError(IdentityCode.ADDRESS_MULTICAST, text)
    if address == _BROADCAST:
        raise IdentityError(IdentityCode.ADDRESS_BROADCAST, text)
    return address


def _refuse_by_sight(name: str, text: str) -> None:
    """The mistakes that deserve a message of their own, in the order in which a person would name them."""
    if not name:
        raise IdentityError(IdentityCode.DNS_EMPTY, text)
    if any(character.isspace() for character in name):
        raise IdentityError(IdentityCode.DNS_SPACE, text)
    if _is_address(name):
        raise IdentityError(IdentityCode.DNS_IS_ADDRESS, text)
    if "*" in name:
        raise IdentityError(IdentityCode.DNS_WILDCARD, text)
    if "_" in name:
        raise IdentityError(IdentityCode.DNS_UNDERSCORE, text)
    if not _IDNA_DEVIATIONS.isdisjoint(name):
        raise IdentityError(IdentityCode.DNS_IDNA_AMBIGUOUS, text)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _a_label(label: str, text: str) -> str:
    """One label in ASCII and lower case (RFC 3490 section 4.1, without code points that Unicode 3.2 lacks)."""
    if label.isascii():
        return label.lower()
    try:
        prepared = nameprep(label)
    except UnicodeError:
        raise IdentityError(IdentityCode.DNS_IDNA, text) from None
    if any(stringprep.in_table_a1(character) for character in prepared) or prepared.startswith("xn--"):
        raise IdentityError(IdentityCode.DNS_IDNA, text)
    return prepared if prepared.isascii() else "xn--" + prepared.encode("punycode").decode("ascii")


def _check_label(label: str, text: str) -> None:
    if not label:
        raise IdentityError(IdentityCode.DNS_LABEL_EMPTY, text)
    if len(label) > _LABEL_LIMIT:
        raise IdentityError(IdentityCode.DNS_LABEL_TOO_LONG, text)
    if not re.fullmatch(r"[a-z0-9-]+", label):
        raise IdentityError(IdentityCode.DNS_CHARACTER, text)
    if label.startswith("-") or label.endswith("-"):
        raise IdentityError(IdentityCode.DNS_HYPHEN, text)
    if label.startswith("xn--"):
        _check_a_label(label, text)


def _check_a_label(label: str, text: str) -> None:
    try:
        decoded = label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        raise IdentityError(IdentityCode.DNS_IDNA, text) from None
    if decoded.isascii():
        raise IdentityError(IdentityCode.DNS_IDNA, text)
