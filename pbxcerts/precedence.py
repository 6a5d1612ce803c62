"""Who waits for a page goes before phones that fetch files: both are answered by one interpreter, by one thread at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 0.001
"""Seconds that a phone's request is put off while somebody waits; so phones always get some hundred files a second."""


class Precedence:
    """Told of pages by the panel's event loop; asked by the terminals' event loop, in its own thread, and by its threads."""

    def __init__(self) -> None:
        self._pages = 0

    @contextmanager
    def page(self) -> Iterator[None]:
        self._pages += 1
        try:
            yield
        finally:
            self._pages -= 1

    @property
    def is_taken(self) -> bool:
        """Whether somebody waits for a page now."""
        return self._pages > 0

    def give_way(self) -> None:
        """Let the thread that makes a page run. The event loop of the caller stands still meanwhile, which is the purpose."""
        if self._pages:
            time.sleep(PAUSE)
