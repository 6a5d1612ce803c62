"""How many pairs took over, one after the other, before each (rule places-of-anchors)."""

from collections.abc import Collection
from typing import NamedTuple

from certificates.models import Generation


class MadePair(NamedTuple):
    """`before`: the pair that it took over from, or is to take over from; 0 for one that followed none. `rank`: as the store said it,
    None where it is known by what came before.
    """

    number: int
    before: int
    was_served: bool
    withdrawn: bool
    rank: int | None = None


def made_pairs() -> tuple[MadePair, ...]:
    """All that ever were, in one query: first the one that is prepared or held, then the active one, then the others by number."""
    fields = ("number", "state", "took_over_from", "replaces", "activated_at", "withdrawn_at", "rank")
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
            row.rank,
        )
        for row in rows
    )


def ranks(pairs: Collection[MadePair]) -> dict[int, int]:
    """By number, one more than that of the pair before. So of all that are tried after the same pair each has the same, and those of the
    bundle, of which each follows the one before, have three in a row. That of one whose history an older copy does not know the store
    has said. One that followed none begins with its number: where a store did not say it, that is mostly the rank that it had.
    """
    before = {pair.number: pair.before for pair in pairs}
    ranks = {pair.number: pair.rank for pair in pairs if pair.rank is not None}
    for number in before:
        # Adopted from a strange store, two may have taken over from each other: whoever is met twice is the first.
        way: dict[int, None] = {}
        while number in before and number not in ranks and number not in way:
            way[number] = None
            number = before[number]
        for one in reversed(way):
            ranks[one] = ranks[before[one]] + 1 if before[one] in ranks else one - 1
    return ranks
