"""Which trust anchors of ours a telephone holds that adds each to those before, and for how many more it has room
(rules anchors-in-turn, places-of-anchors).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from certificates.renewal.ranks import made_pairs, ranks
from terminals.drivers.base import DeliveryDriver
from terminals.evidence.models import Requester
from terminals.evidence.requesters import held_in_turn
from terminals.models import Installation, Terminal
from terminals.past.entries import Entry


@dataclass(frozen=True)
class HeldInTurn:
    """`numbers`: the generations whose trust anchors it has taken since it began anew, in this order; `most`: how many it can hold."""

    numbers: Sequence[int]
    most: int

    @property
    def left(self) -> int:
        """How many renewals it has room for. What a person has put in beside them is not known here."""
        return max(self.most - len(self.numbers), 0)


def held_by(terminal: Terminal) -> HeldInTurn | None:
    """None where nothing was taken in turn, or no limit is known."""
    most = terminal.type.driver.capabilities.holds
    numbers = held_in_turn(Requester.objects.filter(terminal=terminal, change__gt=0)).get(terminal.pk)
    return HeldInTurn(numbers, most) if numbers is not None and most is not None else None


@dataclass(frozen=True)
class HeldAtOnce:
    """Of a telephone that is told all of them at once. `numbers`: the generations whose trust anchors it holds by what it has
    fetched; `most`: how many places it has, None where no limit is known; `next_place`: to which, from 1 on, the next one comes;
    `gives_way`: whose place that is now, None where it holds none of ours. What a person has put in beside them is not known here.
    """

    numbers: Sequence[int]
    most: int | None = None
    next_place: int | None = None
    gives_way: int | None = None

    @property
    def left(self) -> int:
        """How many places hold none of ours."""
        return max((self.most or 0) - len(self.numbers), 0)


def held_at_once(
    driver: DeliveryDriver, story: Iterable[Installation | Entry], target: int | None
) -> HeldAtOnce | None:
    """By its story with all generations. None where it is not told all at once, or has fetched none."""
    can = driver.capabilities
    if not can.come.names_each or can.replaces:
        return None
    fetched = sorted(_number(one) for one in story if one.evidence == Installation.Evidence.FETCHED)
    if not fetched:
        return None
    if can.holds is None:
        return HeldAtOnce(fetched)
    pairs = made_pairs()
    withdrawn, rank = {pair.number for pair in pairs if pair.withdrawn}, ranks(pairs)
    # What is in a place is the last that came there; that of a withdrawn pair is emptied with the next one.
    places = {rank[number] % can.holds: number for number in fetched}
    held = {place: number for place, number in places.items() if number not in withdrawn or number == fetched[-1]}
    lacks = target is not None and target not in fetched
    place = (rank[target or fetched[-1]] + (not lacks)) % can.holds
    return HeldAtOnce(sorted(held.values()), can.holds, place + 1, held.get(place))


def _number(one: Installation | Entry) -> int:
    return one.generation if isinstance(one, Entry) else one.generation_id
