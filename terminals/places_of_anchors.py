"""Which of its numbered places a telephone keeps a pair's trust anchor in (rule places-of-anchors)."""

from collections.abc import Collection

from certificates.renewal.ranks import MadePair, ranks

HANDED_OUT_AT_ONCE = 3
"""The pair that is prepared or held, the active one, and the one served before it."""


def places_of(pairs: Collection[MadePair], count: int) -> dict[int, int]:
    """By number, from 0 on, of so many places."""
    if count < HANDED_OUT_AT_ONCE:
        raise ValueError(f"{HANDED_OUT_AT_ONCE} pairs are handed out at once, and there are {count} places")
    return {number: rank % count for number, rank in ranks(pairs).items()}
