"""A T at which a pair should have been made and was not, because the machine was off, for example (rule two-hours)."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system import events
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import EventMessage, Severity

NOT_MADE_THEN = _(
    "The machine was off, the clock was in doubt or the disk full in the two hours after the time of generation."
)
GENERATION_MISSED = EventKind(
    "generation_missed",
    Severity.SERIOUS,
    _("No certificates could be generated on %(missed)s; the next attempt is on: %(next)s."),
    cleared=_(
        "A pair has been made since, another one is active or waits, or none is to be made by itself at present."
    ),
    hint=_("Let the machine run at that time, and mend what other messages name."),
    cause=NOT_MADE_THEN,
    consequence=_(
        "Calls go on; terminals have less time for the new pair. If every attempt fails until the active pair ends, calls end"
        " with it."
    ),
    instants=("missed", "next"),
)
GENERATION_LATE = EventKind(
    "generation_late",
    Severity.SERIOUS,
    _("No certificates could be generated on %(missed)s; generation %(number)s was made in its place on %(made)s."),
    hint=_("Let the machine run at the time of generation, or choose another time."),
    cause=NOT_MADE_THEN,
    consequence=_("None for calls: the pair is made. Terminals may have less time for it than the overlap says."),
    instants=("missed", "made"),
)


def missed_notice(active: Generation, missed: datetime, next_at: datetime | None) -> Notice:
    """The warning while nothing has been made yet. `next_at`: None while nobody knows when it can be."""
    return Notice(
        GENERATION_MISSED,
        subject=str(active.number),
        step=missed.isoformat(),
        params={"missed": missed.isoformat(), "next": next_at.isoformat() if next_at else "\N{EN DASH}"},
    )


def tell_if_late(made: Generation, situation: Situation) -> None:
    """Send an event message where a T was missed before this pair was made, and no round in between has said so: after the
    machine was off the next round may make the pair at once. `situation`: as it was before.
    """
    missed, active, made_at = situation.missed, situation.active, made.made_at
    if missed is None or active is None or made_at is None:
        return
    kind, subject = missed_notice(active, missed, made_at).key
    if EventMessage.objects.filter(kind=kind, subject=subject).exists():
        return
    told = {"number": made.number, "missed": missed.isoformat(), "made": made_at.isoformat()}
    events.tell(Notice(GENERATION_LATE, subject=str(made.number), params=told), now=situation.clock.machine)
