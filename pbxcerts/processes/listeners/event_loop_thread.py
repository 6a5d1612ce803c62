"""One more event loop beside that of the process's first thread (rule two-loops)."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import uvloop

from pbxcerts.processes.listeners.serving import Serving


class EventLoopThread:
    """An event loop in a thread of its own."""

    def __init__(self, serve: Callable[[Serving], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._loop = uvloop.new_event_loop()
        self._serving: Serving | None = None
        self._told_to_end = False

    async def run(self) -> None:
        """Run the loop in its thread until it ends. Raises what failed there."""
        with ThreadPoolExecutor(1, "terminals") as thread:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, self._run)
            except asyncio.CancelledError:
                self.end()
                raise

    def end(self) -> None:
        """Tell the loop to end. May be called from any thread, and when the loop has ended already."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._serving = Serving()
        if self._told_to_end:
            self._serving.end()
        await self._serve(self._serving)

    def _end(self) -> None:
        self._told_to_end = True
        if self._serving is not None:
            self._serving.end()
