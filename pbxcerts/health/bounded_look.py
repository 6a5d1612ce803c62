"""A look at something that may not answer, the database say: for whoever asks from outside (rule asked-from-outside)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

ANSWERS_WITHIN = 2.0
COUNTS_FOR = 1.0
"""Seconds since it began in which a look counts for others too, so that nobody loads the database by asking."""

T = TypeVar("T")


class BoundedLook(Generic[T]):
    """`look` runs in a thread of its own, once for all who ask meanwhile. For the tasks of one event loop."""

    def __init__(self, look: Callable[[], T], *, name: str) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, name)
        self._began = 0.0
        self._looking: asyncio.Future[T] | None = None

    async def now(self) -> T | None:
        """What it sees; None where it has seen nothing two seconds after it began. Raises what the look raises."""
        loop = asyncio.get_running_loop()
        looking = self._looking
        if looking is None or (looking.done() and loop.time() - self._began >= COUNTS_FOR):
            self._began = loop.time()
            looking = self._looking = loop.run_in_executor(self._thread, self._look)
        await asyncio.wait({looking}, timeout=max(0.0, self._began + ANSWERS_WITHIN - loop.time()))
        return looking.result() if looking.done() else None
