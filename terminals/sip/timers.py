"""Timers of very many transactions on one alarm of the event loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Timers(Generic[T]):
    """Calls `wake(item, now)` when an item is due; it returns when the item is due next, or None.

    A later due time needs no telling: the item is looked at when it was due first, and most are over by then. So one
    entry in a heap stands for all timers of an item, and none is ever cancelled.
    """

    def __init__(self, wake: Callable[[T, float], float | None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    def watch(self, item: T, due: float) -> None:
        heapq.heappush(self._heap, (due, next(self._numbers), item))
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
            _, _, item = heapq.heappop(self._heap)
            due = self._wake(item, now)
            if due is not None:
                heapq.heappush(self._heap, (due, next(self._numbers), item))
        if self._heap:
            self._set_alarm()
