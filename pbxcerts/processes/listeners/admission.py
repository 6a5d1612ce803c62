"""How many requests of one address are inside at a time: in a thread, or made and not taken yet (rule few-inside)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

GRACE = 2
"""Seconds that a response may wait for its reader while others of the same address wait to be let in."""
LOOK_AGAIN = 0.25


class Admitted:
    """A request that is inside. `turn_out` ends its connection."""

    def __init__(self, turn_out: Callable[[], object]) -> None:
        self.turn_out = turn_out
        self._made: float | None = None

    def is_made(self) -> None:
        """From now on its response waits for its reader."""
        self._made = time.monotonic()

    @property
    def has_had_its_time(self) -> bool:
        return self._made is not None and time.monotonic() - self._made >= GRACE


class _Address:
    """Its requests, inside and waiting, each in the order in which they came."""

    def __init__(self) -> None:
        self.inside: dict[Admitted, None] = {}
        self.waiting: dict[asyncio.Event, None] = {}

    def is_first(self, turn: asyncio.Event) -> bool:
        return next(iter(self.waiting)) is turn

    def look(self) -> None:
        """Let the first of those who wait look whether it may come in."""
        if self.waiting:
            next(iter(self.waiting)).set()


class Admission:
    """Lets `most` requests of one address in at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._addresses: dict[str, _Address] = {}

    @asynccontextmanager
    async def inside(self, address: str | None, turn_out: Callable[[], object]) -> AsyncIterator[Admitted]:
        """Wait until it is let in. `address`: what the client counts as; None is let in at once."""
        admitted = Admitted(turn_out)
        if address is None:
            yield admitted
            return
        its = self._addresses.setdefault(address, _Address())
        try:
            if its.waiting or len(its.inside) >= self._most:
                await self._wait(its)
            its.inside[admitted] = None
            its.look()
            yield admitted
        finally:
            its.inside.pop(admitted, None)
            its.look()
            if not (its.inside or its.waiting):
                self._addresses.pop(address, None)

    async def _wait(self, its: _Address) -> None:
        turn = asyncio.Event()
        its.waiting[turn] = None
        try:
            while not (its.is_first(turn) and self._has_room(its)):
                turn.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(turn.wait(), LOOK_AGAIN if its.is_first(turn) else None)
        finally:
            del its.waiting[turn]

    def _has_room(self, its: _Address) -> bool:
        """Turns out, where there is none, who has kept others waiting for long enough."""
        if len(its.inside) < self._most:
            return True
        for one in its.inside:
            if one.has_had_its_time:
                one.turn_out()
                break
        return False
