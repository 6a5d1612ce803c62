"""Memory that all clients of the panel have in common, for what they send and for what they have not taken yet
(rule common-budget).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Holding:
    """What is kept for one client. `gave_up`: others needed it, and it is not counted any more."""

    def __init__(self, budget: Budget, give_up: Callable[[], object]) -> None:
        self._budget = budget
        self.give_up = give_up
        self.octets = 0
        self.gave_up = False

    def add(self, octets: int) -> None:
        if not self.gave_up:
            self.octets += octets
            self._budget.make_room()

    def keep(self) -> None:
        """From now on it is not given up any more: it is needed until it is released."""
        self._budget.keep(self)


class Budget:
    """Where more octets are kept than `most`, whoever has had some for longest gives up: what is quick is kept shortly."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._holdings: dict[Holding, None] = {}
        self._kept: set[Holding] = set()

    @property
    def octets(self) -> int:
        return sum(holding.octets for holding in (*self._holdings, *self._kept))

    @contextmanager
    def holding(self, give_up: Callable[[], object]) -> Iterator[Holding]:
        holding = Holding(self, give_up)
        self._holdings[holding] = None
        try:
            yield holding
        finally:
            self._holdings.pop(holding, None)
            self._kept.discard(holding)

    def keep(self, holding: Holding) -> None:
        if self._holdings.pop(holding, holding) is None:
            self._kept.add(holding)

    def make_room(self) -> None:
        while self.octets > self._most:
            oldest = next((holding for holding in self._holdings if holding.octets), None)
            if oldest is None:
                return
            del self._holdings[oldest]
            oldest.gave_up = True
            oldest.give_up()
