"""What is done if something does not come in time, for connections by the thousand: nearly all of it comes.

A timer of the event loop for each would cost more than reading the request. As many wait the same time, they stand in the order in
which they are due, and one timer for all of them looks at the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property


class Deadlines:
    """Those of one event loop, by whose clock they are set."""

    def __init__(self) -> None:
        self._queues: dict[float, Queue] = {}

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def set(self, seconds: float, missed: Callable[[], object]) -> Deadline:
        """Call `missed` after so many seconds, unless it is met before."""
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = Queue(self._loop, seconds)
        return queue.add(missed)


class Deadline:
    """One of them: `met` may be called more than once, and when it was missed."""

    __slots__ = ("_queue", "at", "missed")

    def __init__(self, queue: Queue, at: float, missed: Callable[[], object]) -> None:
        self._queue = queue
        self.at = at
        self.missed = missed

    def met(self) -> None:
        self._queue.remove(self)


class Queue:
    """Deadlines that are all as many seconds away when they are set, so the first that was set is the first that is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._waiting: dict[Deadline, None] = {}
        self._is_watched = False

    def add(self, missed: Callable[[], object]) -> Deadline:
        deadline = Deadline(self, self._loop.time() + self._seconds, missed)
        self._waiting[deadline] = None
        if not self._is_watched:
            self._is_watched = True
            self._loop.call_at(deadline.at, self._look)
        return deadline

    def remove(self, deadline: Deadline) -> None:
        self._waiting.pop(deadline, None)

    def _look(self) -> None:
        while (first := next(iter(self._waiting), None)) is not None and first.at <= self._loop.time():
            del self._waiting[first]
            try:
                first.missed()
            except Exception as error:  # noqa: BLE001 - of one connection, whatever it is
                self._loop.call_exception_handler({"message": "A missed deadline failed.", "exception": error})
        self._is_watched = first is not None
        if first is not None:
            self._loop.call_at(first.at, self._look)
