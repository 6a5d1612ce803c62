"""The order to stop a cluster, seen by its sentinel and by a task in its worker that could go on for a minute."""

from __future__ import annotations

import os
import select


class StopOrder:
    """An order that a whole process tree sees. A threading.Event would not do: it hangs if a signal handler sets it in
    the thread that waits for it, and a forked process has a copy.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def set(self) -> None:
        os.write(self._writer, b".")

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        return bool(select.select([self._reader], [], [], seconds)[0])


_stop: StopOrder | None = None


def expected() -> StopOrder:
    """Make the order that this process and those that it forks from now on listen to."""
    global _stop
    _stop = StopOrder()
    return _stop


def is_ordered() -> bool:
    """Whether this process is to stop. A process that belongs to no cluster, such as a command, never is."""
    return _stop is not None and _stop.is_set()
