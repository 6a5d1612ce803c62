"""Who asks by itself, and whether in time (rule reach): how often its type asks and its last contact, against the deadline.

A NOTIFY may come sooner; but a telephone can be behind a firewall, or challenge it, and then it comes when it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system.time import time_words
from terminals.models import Installation, Terminal, TerminalType
from terminals.states import PASSED_OVER
from terminals.tally import counts as tally


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
    """Four queries, whatever the number of terminals; one where no type asks by itself. How many are missing is known by the tallies,
    and the others are looked for by their last contact: they are few among many.

    When a terminal has asked is by the machine's clock, and the deadline by the best one: both are compared by the machine's.
    """
    deadline = target.deadline if target == situation.pending else None
    clock = situation.clock
    now = clock.machine
    deadline_there = None if deadline is None else deadline - (clock.best - now)
    types = {
        row.pk: (row, every) for row in TerminalType.objects.order_by("name") if (every := row.asks_every) is not None
    }
    if not types:
        return Reach(deadline, ())
    shortest, longest = min(every for _row, every in types.values()), max(every for _row, every in types.values())
    too_late, silent = Q(), Q()
    for key, (_row, every) in types.items():
        # One that is overdue says nothing of its next time. Its round may take as long again.
        overdue = Q(last_contact__lt=now - 2 * every)
        silent |= Q(kind=key) & (Q(last_contact=None) | overdue)
        if deadline_there is not None:
            too_late |= Q(kind=key, last_contact__gt=deadline_there - every, last_contact__gte=now - 2 * every)
    missing = tally.by_type(target, Q(type__in=types, trusted=False) & ~Q(state__in=PASSED_OVER))
    # By the index of the last contact, which the conditions of the types alone would not lead to.
    are_silent = _lacking(target, Q(last_contact=None) | Q(last_contact__lt=now - 2 * shortest), silent)
    come_too_late: dict[int, int] = {}
    if deadline_there is not None:
        come_too_late = _lacking(target, Q(last_contact__gt=deadline_there - longest), too_late)
    return Reach(
        deadline,
        tuple(
            TypeReach(row, every, missing[key], come_too_late.get(key, 0), are_silent.get(key, 0))
            for key, (row, every) in types.items()
            if key in missing
        ),
    )


def _lacking(target: Generation, by_contact: Q, by_type: Q) -> dict[int, int]:
    """By type, how many of those that lack this pair, and may be asked for it."""
    lacking = Installation.objects.of(target).filter(confirmed_at=None).exclude(state__in=PASSED_OVER)
    # The type as a value that no index has: SQLite would rather walk through all terminals of a type than through the few of a time.
    found = Terminal.objects.annotate(kind=F("type_id") + 0).filter(by_contact, by_type, enabled=True)
    missing = found.filter(Exists(lacking.filter(terminal=OuterRef("pk"))))
    return dict(missing.order_by().values_list("kind").annotate(count=Count("pk")))
