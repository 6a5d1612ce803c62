"""Turns of clients that send a request before they have been answered (rule in-turn)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Waiting = dict[object, Callable[[], object]]


class Turns:
    """Between two turns of one address lie `pause` seconds, however many connections of it wait for theirs.

    For one event loop, whose listeners may share it.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._addresses: dict[object, Waiting] = {}

    def take_turn(self, address: object, connection: object, then: Callable[[], object]) -> None:
        """Call `then` when it is the connection's turn: the first of an address in the loop's next round."""
        waiting = self._addresses.get(address)
        if waiting is not None:
            waiting[connection] = then
            return
        self._addresses[address] = {}
        loop = asyncio.get_running_loop()
        loop.call_soon(then)
        loop.call_later(self._pause, self._next, address)

    def leave(self, address: object, connection: object) -> None:
        """The connection waits no longer, if it did."""
        if (waiting := self._addresses.get(address)) is not None:
            waiting.pop(connection, None)

    def _next(self, address: object) -> None:
        waiting = self._addresses[address]
        if not waiting:
            del self._addresses[address]
            return
        asyncio.get_running_loop().call_later(self._pause, self._next, address)
        waiting.pop(next(iter(waiting)))()
