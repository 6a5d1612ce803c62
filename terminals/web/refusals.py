"""How many requests the terminals' listeners refused, and why: counted in memory, since the web process started."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from pbxcerts.system.time import timekeeping


class RefusalCounter:
    """`counts` by listener and reason: a status, or a word such as `foreign_mac`. Who it was last, and when."""

    def __init__(self, now: Callable[[], datetime] = timekeeping.machine_time) -> None:
        self._now = now
        self.since = now()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.last_at: datetime | None = None
        self.last_client = ""

    def count(self, listener: str, reason: str, client: str) -> None:
        self.counts[listener, reason] += 1
        self.last_at = self._now()
        self.last_client = client

    @property
    def total(self) -> int:
        return self.counts.total()


refused_here = RefusalCounter()
"""Those of this process: the pages are answered by the same one."""
