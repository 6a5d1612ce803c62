"""Which terminals Kamailio knows, and which have connected since the switch, as the last proof by call has seen it (rule ladder)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from certificates.models import Generation
from terminals.models import Installation, Terminal
from terminals.tally import counts as tally


class Group(enum.StrEnum):
    OLDER = "older"
    """Registered over a connection from before the switch, or not over TLS: not proved yet."""
    SINCE = "since"
    """Connected since the switch."""
    UNKNOWN = "unknown"
    """Nobody has seen it registered since it was served."""


_IN_GROUP = {
    Group.OLDER: Q(registered_at__isnull=False, registered_since=None),
    Group.SINCE: Q(registered_since__isnull=False),
}
_SEEN = Q(registered_at__isnull=False)


@dataclass(frozen=True)
class RegisteredTerminals:
    """Of the pair that is served. `asked_at`: when Kamailio was asked last; None where it was not."""

    active: Generation
    asked_at: datetime | None
    counts: dict[Group, int]

    @classmethod
    def of(cls, active: Generation) -> RegisteredTerminals:
        """Three queries, whatever the number of terminals."""
        rows = Installation.objects.of(active.number).of_enabled_terminals().filter(_SEEN)
        found = rows.aggregate(
            asked_at=Max("registered_at"),
            **{group.value: Count("pk", filter=where) for group, where in _IN_GROUP.items()},
        )
        counts = {group: found[group.value] for group in _IN_GROUP}
        counts[Group.UNKNOWN] = max(tally.enabled_terminals(tally.ANY) - sum(counts.values()), 0)
        return cls(active, found["asked_at"], counts)

    def terminals(self, group: Group) -> QuerySet[Terminal]:
        rows = Installation.objects.of(self.active.number)
        terminals = Terminal.objects.enabled().select_related("type").order_by("number")
        terminals = terminals.defer("notes", "own_lines", "sip_password", "type__guide_de", "type__guide_en")
        if group is Group.UNKNOWN:
            return terminals.exclude(rows.filter(_SEEN).of_the_terminal())
        return terminals.filter(rows.filter(_IN_GROUP[group]).of_the_terminal())

    def lines(self, terminals: Iterable[Terminal]) -> list[tuple[Terminal, Installation | None]]:
        """Each with what is known of it."""
        shown = list(terminals)
        rows = Installation.objects.of(self.active.number).filter(terminal__in=shown)
        known = {row.terminal_id: row for row in rows}
        return [(terminal, known.get(terminal.pk)) for terminal in shown]
