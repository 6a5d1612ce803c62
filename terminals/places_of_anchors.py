"""Which of its numbered places a telephone keeps a pair's trust anchor in (rule places-of-anchors)."""

from collections.abc import Collection
from typing import NamedTuple

from certificates.models import Generation

HANDED_OUT_AT_ONCE = 3
"""The pair that is prepared or held, the active one, and the one served before it."""


class MadePair(NamedTuple):
    """`before`: the pair that it took over from, or is to take over from; 0 for one that followed none."""

    number: int
    before: int
    was_served: bool
    withdrawn: bool


def made_pairs() -> tuple[MadePair, ...]:
    """All that ever were, in one query: first the one that is prepared or held, then the active one, then the others by number."""
    fields = ("number", "state", "took_over_from", "replaces", "activated_at", "withdrawn_at")
    rows = sorted(
        Generation.objects.made().order_by("number").values_list(*fields, named=True),
        key=lambda row: (row.state not in Generation.PENDING, row.state != Generation.State.ACTIVE),
    )
    active = next((row.number for row in rows if row.state == Generation.State.ACTIVE), 0)
    return tuple(
        MadePair(
            row.number,
            active if active and row.state in Generation.PENDING else row.took_over_from or row.replaces,
            row.activated_at is not None,
            row.withdrawn_at is not None,
        )
        for row in rows
    )


def ranks(pairs: Collection[MadePair]) -> dict[int, int]:
    """By number, one more than that of the pair before. So of all that are tried after the same pair each has the same, and those of the
    bundle, of which each follows the one before, have three in a row. One that followed none begins with its number: a restored copy
    that no longer knows what came before what is served mostly gives it the rank that it had.
    """
    before = {pair.number: pair.before for pair in pairs}
    ranks: dict[int, int] = {}
    for number in before:
        # Adopted from a strange store, two may have taken over from each other: whoever is met twice is the first.
        way: dict[int, None] = {}
        while number in before and number not in ranks and number not in way:
            way[number] = None
            number = before[number]
        for one in reversed(way):
            ranks[one] = ranks[before[one]] + 1 if before[one] in ranks else one - 1
    return ranks


def places_of(pairs: Collection[MadePair], count: int) -> dict[int, int]:
    """By number, from 0 on, of so many places."""
    if count < HANDED_OUT_AT_ONCE:
        raise ValueError(f"{HANDED_OUT_AT_ONCE} pairs are handed out at once, and there are {count} places")
    return {number: rank % count for number, rank in ranks(pairs).items()}
