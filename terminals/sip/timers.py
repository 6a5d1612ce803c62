"""Timers of very many transactions on one alarm of the event loop."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable


class Timers:
    """Calls `wake(name, now)` when a transaction is due; it returns when that one is due next, or None.

    A later due time needs no telling: the transaction is looked at when it was due first, and most are over by then. So
    one entry in a heap stands for all its timers, and none is ever cancelled. It holds the name and not the transaction,
    which would stay in memory until then, for the garbage collector to look through with thousands of others.
    """

    def __init__(self, wake: Callable[[str, float], float | None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._heap: list[tuple[float, str]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    def watch(self, name: str, due: float) -> None:
        heapq.heappush(self._heap, (due, name))
        if self._alarm is None or due < self._alarm_at:
            self._set_alarm()

    def close(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = None
        self._heap.clear()

    def _set_alarm(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm_at = self._heap[0][0]
        self._alarm = self._loop.call_at(self._alarm_at, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        self._alarm = None
        while self._heap and self._heap[0][0] <= now:
            _, name = heapq.heappop(self._heap)
            due = self._wake(name, now)
            if due is not None:
                heapq.heappush(self._heap, (due, name))
        if self._heap:
            self._set_alarm()
