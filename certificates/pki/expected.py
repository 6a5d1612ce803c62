"""How large the certificates of a pair would be, before it is made."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from certificates.pki import formats
from certificates.pki.authority import make_pair
from certificates.pki.identity import Identity
from certificates.pki.keys import KeyType

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PairOctets:
    """Of the DER of each, about: a few less or more, as `formats.octets_with` has it."""

    root: int
    host: int


@lru_cache(maxsize=16)
def octets_of_pair(
    identity: Identity, key_type: KeyType, *, addresses_as_dns: bool, organisation: str = ""
) -> PairOctets:
    """Of a pair with these names and such keys. Kept, because a list asks for it again and again. Raises `IdentityError` as `make_pair`.

    One is made with the keys that cost next to nothing, and thrown away.
    """
    pair = make_pair(
        number=1,
        identity=identity,
        key_type=KeyType.P256,
        addresses_as_dns=addresses_as_dns,
        made_at=_ANY_TIME,
        not_before=_ANY_TIME,
        end=_ANY_TIME + timedelta(days=1),
        organisation=organisation,
    )
    return PairOctets(formats.octets_with(pair.root, key_type), formats.octets_with(pair.host, key_type))
