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

    def set(self, seconds: float, missed: Callable[[], object], *, instead_of: Deadline | None = None) -> Deadline:
        """Call `missed` after so many seconds, unless it is met before. Another one, `instead_of` which it is, counts as met; it is used
        again, as to make one costs more than to set it.
        """
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = Queue(self._loop)
        if instead_of is None:
            deadline = Deadline()
        else:
            deadline = instead_of
            deadline.met()
        deadline.among = queue.waiting
        deadline.at = self._loop.time() + seconds
        deadline.missed = missed
        queue.waiting[deadline] = None
        if not queue.is_watched:
            queue.watch(deadline)
        return deadline


class Deadline:
    """One of them: `met` may be called more than once, and when it was missed. `among`: those that wait as long."""

    __slots__ = ("among", "at", "missed")
    among: dict[Deadline, None]
    at: float
    missed: Callable[[], object]

    def met(self) -> None:
        self.among.pop(self, None)


class Queue:
    """Deadlines that are all as many seconds away when they are set, so the first that was set is the first that is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.waiting: dict[Deadline, None] = {}
        self.is_watched = False

    def watch(self, first: Deadline) -> None:
        self.is_watched = True
        self._loop.call_at(first.at, self._look)

    def _look(self) -> None:
        while (first := next(iter(self.waiting), None)) is not None and first.at <= self._loop.time():
            del self.waiting[first]
            try:
                first.missed()
            except Exception as error:  # noqa: BLE001 - of one connection, whatever it is
                self._loop.call_exception_handler({"message": "A missed deadline failed.", "exception": error})
        self.is_watched = False
        if first is not None:
            self.watch(first)
