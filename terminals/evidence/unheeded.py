"""Telephones that take their configuration again and again, and never the trust file that it names (rule unheeded)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from terminals.evidence.fetches import SPAN
from terminals.models import Requester

TIMES = 3


@dataclass(frozen=True)
class Unheeded:
    times: int
    since: datetime


def unheeded(terminals: Collection[int]) -> Mapping[int, Unheeded]:
    """Which of these, and how often since when. One query; for a page, so of some of the terminals."""
    rows = list(Requester.objects.filter(terminal__in=terminals).order_by("last_at"))
    taken: dict[int, set[int]] = {}
    for row in rows:
        taken.setdefault(row.terminal_id, set()).update(row.took)
    return {
        row.terminal_id: Unheeded(row.named_times, row.named_since)
        for row in rows
        if row.named_since is not None
        and row.named_times >= TIMES
        and row.last_at - row.named_since > SPAN
        # It may have come by another address, and have it already.
        and not taken[row.terminal_id].issuperset(row.named)
    }
