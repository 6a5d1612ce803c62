"""Whether the cluster is to stop: asked by its sentinel, and by a task in its worker that could go on for a minute."""

from __future__ import annotations

import os
import select


class Stop:
    """An order that a whole process tree sees. An Event would not do: one that a signal handler sets while its own thread waits
    for it hangs, and what is forked has a copy.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def set(self) -> None:
        os.write(self._writer, b".")

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        return bool(select.select([self._reader], [], [], seconds)[0])


_stop: Stop | None = None


def expected() -> Stop:
    """What from now on this process, and what it forks, may be told."""
    global _stop
    _stop = Stop()
    return _stop


def is_ordered() -> bool:
    """False in a process that belongs to no cluster, as a command."""
    return _stop is not None and _stop.is_set()
