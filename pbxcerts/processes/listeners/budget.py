"""Memory that all clients of the panel have in common, for what they send and for what they have not taken yet
(rule common-budget).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pbxcerts.processes.listeners.places import Limits

GRACE = 2
"""Seconds that nobody gives up for another one of the same address, who is refused instead."""


class Holding:
    """What is kept for one client, since it was some. `gave_up`: it has made room, and is not counted any more."""

    def __init__(self, budget: Budget, address: object, give_up: Callable[[], object]) -> None:
        self._budget = budget
        self.address = address
        self.give_up = give_up
        self.octets = 0
        self.since = time.monotonic()
        self.is_needed = False
        self.gave_up = False

    def add(self, octets: int) -> None:
        if not self.gave_up:
            if not self.octets:
                self.since = time.monotonic()
            self.octets += octets
            self._budget.make_room(self)

    def keep(self) -> None:
        """From now on it is not given up any more: it is needed until it is released."""
        self.is_needed = True


class Budget:
    """Where more octets are kept than the `limits` allow, the address that holds most makes room, and of an address whoever has
    had some for longest: so nobody loses anything to one that holds more, however often that comes again.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # In the order in which they came.
        self._holdings: dict[Holding, None] = {}

    @property
    def octets(self) -> int:
        return sum(holding.octets for holding in self._holdings)

    @contextmanager
    def holding(self, address: str | None, give_up: Callable[[], object]) -> Iterator[Holding]:
        """`address`: what the client counts as; None where it counts for itself alone."""
        holding = Holding(self, address if address is not None else object(), give_up)
        self._holdings[holding] = None
        try:
            yield holding
        finally:
            self._holdings.pop(holding, None)

    def make_room(self, added: Holding) -> None:
        """What `added` holds has grown."""
        while not added.gave_up and self._held()[added.address] > self._limits.of_one:
            self._one_gives_up(added.address, added)
        while not added.gave_up and self.octets > self._limits.in_all and (most := self._holds_most(added)) is not None:
            self._one_gives_up(most, added)

    def _held(self) -> dict[object, int]:
        held: dict[object, int] = {}
        for holding in self._holdings:
            held[holding.address] = held.get(holding.address, 0) + holding.octets
        return held

    def _holds_most(self, added: Holding) -> object | None:
        """The address that holds most, of those of whom one could give up; the one that has `added` to it where they are equal."""
        held = self._held()
        could = dict.fromkeys(one.address for one in self._holdings if one.octets and not one.is_needed)
        return max(could, key=lambda address: (held[address], address == added.address), default=None)

    def _one_gives_up(self, address: object, added: Holding) -> None:
        of_it = (holding for holding in self._holdings if holding.address == address)
        oldest = min(
            (holding for holding in of_it if holding.octets and not holding.is_needed),
            key=lambda holding: holding.since,
            default=added,
        )
        if address == added.address and time.monotonic() - oldest.since < GRACE:
            oldest = added
        del self._holdings[oldest]
        oldest.gave_up = True
        oldest.give_up()
