"""Who asks by itself, and whether in time (rule reach): how often its type asks and its last contact, against the deadline.

A NOTIFY may come sooner; but a telephone can be behind a firewall, or challenge it, and then it comes when it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system import time_words
from terminals.models import Installation, TerminalType
from terminals.states import PASSED_OVER


@dataclass(frozen=True)
class TypeReach:
    """Of one type, those that lack the pair that is handed out.

    `missing`: how many. `too_late`: of these, how many ask after the deadline only. `silent`: how many have not asked when they
    should have, or never did; nobody knows when they will.
    """

    type: TerminalType
    every: timedelta
    missing: int
    too_late: int
    silent: int

    @property
    def every_text(self) -> str:
        return time_words.span(self.every)


@dataclass(frozen=True)
class Reach:
    """`deadline`: when the communication server is switched; None where a person decides that."""

    deadline: datetime | None
    types: tuple[TypeReach, ...]

    @property
    def missing(self) -> int:
        return sum(row.missing for row in self.types)

    @property
    def too_late(self) -> int:
        return sum(row.too_late for row in self.types)

    @property
    def silent(self) -> int:
        return sum(row.silent for row in self.types)


def reach(situation: Situation, target: Generation) -> Reach:
    """Two queries, whatever the number of terminals; one where no type asks by itself.

    When a terminal has asked is by the machine's clock, and the deadline by the best one: both are compared by the machine's.
    """
    deadline = target.deadline if target == situation.pending else None
    clock = situation.clock
    now = clock.machine
    deadline_there = None if deadline is None else deadline - (clock.best - now)
    types = {row.pk: (row, every) for row in TerminalType.objects.all() if (every := row.asks_every) is not None}
    if not types:
        return Reach(deadline, ())
    too_late, silent = Q(pk=None), Q(terminal__last_contact=None)
    for key, (_row, every) in types.items():
        of_type = Q(terminal__type=key)
        # One that is overdue says nothing of its next time. Its round may take as long again.
        silent |= of_type & Q(terminal__last_contact__lt=now - 2 * every)
        if deadline_there is not None:
            late = Q(terminal__last_contact__gt=deadline_there - every, terminal__last_contact__gte=now - 2 * every)
            too_late |= of_type & late
    lacking = Installation.objects.of(target).of_enabled_terminals().filter(confirmed_at=None)
    rows = (
        lacking.exclude(state__in=PASSED_OVER)
        .filter(terminal__type__in=types)
        .order_by("terminal__type__name")
        .values_list("terminal__type")
        .annotate(missing=Count("pk"), too_late=Count("pk", filter=too_late), silent=Count("pk", filter=silent))
    )
    return Reach(deadline, tuple(TypeReach(*types[key], *counts) for key, *counts in rows))
