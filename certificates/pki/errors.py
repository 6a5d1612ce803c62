"""What can go wrong in the core.

PkiError
├── IdentityError            a name or an address cannot be written into a certificate; ``code`` says why
├── UnreadableError          bytes are not a certificate or not a private key of ours
└── PairError                a root and a host certificate must not be published
    ├── KeyMismatchError     the private key belongs to another certificate
    ├── NamesMissingError    the host certificate lacks names or addresses; ``missing`` lists them
    ├── ValidityError        the pair is not valid at the given instant, or the host outlives its root
    ├── ChainError           the path validation of RFC 5280 section 6 refuses the pair
    └── HandshakeError       a TLS client that trusts the root refuses the server that holds the pair

Messages are English and meant for logs; whoever shows one to a person translates by type and code.
"""

import enum
from collections.abc import Iterable


class IdentityCode(enum.StrEnum):
    """Why a name or an address is refused. The values are stable: forms translate by them."""

    DNS_EMPTY = "dns_empty"
    DNS_SPACE = "dns_space"
    DNS_UNDERSCORE = "dns_underscore"
    DNS_WILDCARD = "dns_wildcard"
    DNS_CHARACTER = "dns_character"
    DNS_HYPHEN = "dns_hyphen"
    DNS_LABEL_EMPTY = "dns_label_empty"
    DNS_LABEL_TOO_LONG = "dns_label_too_long"
    DNS_TOO_LONG = "dns_too_long"
    DNS_IS_ADDRESS = "dns_is_address"
    DNS_IDNA = "dns_idna"
    DNS_IDNA_AMBIGUOUS = "dns_idna_ambiguous"
    ADDRESS_EMPTY = "address_empty"
    ADDRESS_SYNTAX = "address_syntax"
    ADDRESS_SCOPE = "address_scope"
    ADDRESS_UNSPECIFIED = "address_unspecified"
    ADDRESS_MULTICAST = "address_multicast"
    ADDRESS_BROADCAST = "address_broadcast"
    IDENTITY_EMPTY = "identity_empty"


class PkiError(Exception):
    """Base of every error that the core raises on purpose."""


class IdentityError(PkiError):
    """A name or an address that cannot stand in a host certificate."""

    def __init__(self, code: IdentityCode, value: str) -> None:
        super().__init__(f"{code}: {value!r}")
        self.code = code
        self.value = value


class UnreadableError(PkiError):
    """Bytes that are not a certificate, or not a private key of a kind we make."""


class PairError(PkiError):
    """A pair that must not be published."""


class KeyMismatchError(PairError):
    """The private key belongs to another certificate."""


class NamesMissingError(PairError):
    """The host certificate lacks names or addresses of the communication server."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(f"the host certificate does not hold {', '.join(self.missing)}")


class ValidityError(PairError):
    """The pair is not valid at the given instant, or the host certificate outlives its root."""


class ChainError(PairError):
    """The path validation of RFC 5280 section 6 refuses the pair."""


class HandshakeError(PairError):
    """A TLS client that trusts the root refuses the server that holds the pair."""
