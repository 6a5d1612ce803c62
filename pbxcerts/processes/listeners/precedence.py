"""People's pages go before phones that fetch files (rule pages-first): one interpreter answers both, by one thread at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 0.001
"""Seconds that a phone's request is put off while somebody waits; so phones always get some hundred files a second."""


PRECEDENCE = "pbxcerts.precedence"
"""In the environment of a request (PEP 3333): what takes precedence for it."""


class Precedence:
    """Knows the pages that are being made, in the panel's threads; the terminals' event loop and threads ask.

    A page that is made and waits for its reader costs the interpreter nothing, so it has no precedence any more.
    """

    def __init__(self) -> None:
        # Adding to a set and discarding are one step for every other thread.
        self._pages: set[object] = set()

    @contextmanager
    def page(self) -> Iterator[None]:
        page = object()
        self._pages.add(page)
        try:
            yield
        finally:
            self._pages.discard(page)

    @property
    def is_taken(self) -> bool:
        """Whether a page is being made now."""
        return bool(self._pages)

    def give_way(self) -> None:
        """Stop the caller's event loop for a moment while a page is being made, so that the page's thread can run."""
        if self._pages:
            time.sleep(PAUSE)
