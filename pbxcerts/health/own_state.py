"""What the web process knows of itself, whatever the database does: which of its listeners are open, and what waits in it."""

from collections.abc import Callable
from dataclasses import dataclass, field


def _none_waits() -> tuple[int, int]:
    return 0, 0


@dataclass
class OwnState:
    """Written by each event loop for its own listeners, read by any thread.

    `wanted` and `open`: listeners by name, that of the panel over plain HTTP left out: who asks has found it. `has_files`: whether
    the terminals' files have been read once; from then on they are answered from memory. `evidence`: facts that wait for the
    database, and facts that were dropped.
    """

    wanted: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    serves_terminals: bool = False
    has_files: Callable[[], bool] = bool
    evidence: Callable[[], tuple[int, int]] = _none_waits

    @property
    def not_open(self) -> list[str]:
        return sorted(self.wanted - self.open)
