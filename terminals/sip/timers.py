"""Timers of very many transactions on one alarm of the event loop."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable


class TransactionTimers:
    """Calls `wake(name, now)` when a transaction is due. `wake` returns when it is due next, or None.

    A transaction has one entry for all its timers, which is never moved or cancelled: if the transaction is due later
    by then, `wake` says so, and most transactions are over. The entry holds the transaction's name. With the
    transaction itself thousands would stay in memory, for the garbage collector to look through.
    """

    def __init__(self, wake: Callable[[str, float], float | None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._line: deque[tuple[float, str]] = deque()
        """Entries due in the order in which they came: nearly all, because the first timer of each is as long."""
        self._heap: list[tuple[float, str]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    def watch(self, name: str, due: float) -> None:
        if self._line and due < self._line[-1][0]:
            heapq.heappush(self._heap, (due, name))
        else:
            self._line.append((due, name))
        if self._alarm is None or due < self._alarm_at:
            self._set_alarm(due)

    def close(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = None
        self._line.clear()
        self._heap.clear()

    def _set_alarm(self, at: float) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        self._alarm = None
        while self._line and self._line[0][0] <= now:
            self._wake_one(self._line.popleft()[1], now)
        while self._heap and self._heap[0][0] <= now:
            self._wake_one(heapq.heappop(self._heap)[1], now)
        if first := [queue[0][0] for queue in (self._line, self._heap) if queue]:
            self._set_alarm(min(first))

    def _wake_one(self, name: str, now: float) -> None:
        due = self._wake(name, now)
        if due is not None:
            heapq.heappush(self._heap, (due, name))
