"""Telephones that take their configuration again and again, and never the trust file that it names (rule unheeded)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from terminals.evidence.requesters import Known, is_left


@dataclass(frozen=True)
class Unheeded:
    times: int
    since: datetime


def unheeded(known: Known) -> Mapping[int, Unheeded]:
    """Which of these terminals, and how often since when."""
    taken = {terminal: {number for row in rows.values() for number in row.took} for terminal, rows in known.items()}
    return {
        terminal: Unheeded(row.named_times, row.named_since)
        for terminal, rows in known.items()
        for row in sorted(rows.values(), key=attrgetter("last_at"))
        # It may have come by another address, and have it already.
        if is_left(row) and row.named_since is not None and not taken[terminal].issuperset(row.named)
    }
