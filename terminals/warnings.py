"""What the rollout always says when it is true: notices for the page, and event messages (DESIGN 3.7, 3.8).

The ids are stable, as those of `certificates.warnings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from certificates.situation import Situation
from pbxcerts.system.events import Kind, Notice
from pbxcerts.system.models import Severity
from terminals.models import Installation, Rollout, Terminal
from terminals.rollout import survey
from terminals.waves import State, Wave

NAMED_AT_MOST = 5
REMINDER_STEPS = (14, 7, 3, 1)

ROLLOUT_STOPPED = Kind(
    "rollout_stopped",
    Severity.CRITICAL,
    _(
        "The rollout of generation %(number)s has stopped, because too many terminals failed. No other terminal is asked, and the"
        " server is not switched, until a person goes on."
    ),
    cleared=_("The rollout goes on."),
    hint=_("See why they failed on the page of the rollout, mend it, then retry the failed ones and continue."),
)
ROLLOUT_PAUSED = Kind(
    "rollout_paused",
    Severity.SERIOUS,
    _("%(by)s has paused the rollout of generation %(number)s. The server is not switched meanwhile."),
    cleared=_("The rollout goes on."),
)
TERMINALS_FAILED = Kind(
    "terminals_failed",
    Severity.SERIOUS,
    _("Terminals that did not take generation %(number)s: %(count)s (%(names)s)."),
    cleared=_("No terminal has failed any more."),
)
TERMINALS_ABSENT = Kind(
    "terminals_absent",
    Severity.NORMAL,
    _(
        "Terminals that were not there for generation %(number)s: %(count)s (%(names)s). They are asked again by themselves."
    ),
    cleared=_("No terminal is absent any more."),
)
MANUAL_LEFT = Kind(
    "manual_left",
    Severity.NORMAL,
    _("Terminals to be given generation %(number)s by hand: %(count)s (%(names)s)."),
    cleared=_("The work list is empty."),
)
MANUAL_DUE = Kind(
    "manual_due",
    Severity.SERIOUS,
    _("By hand until %(due)s, in less than %(days)s days: %(count)s terminals need generation %(number)s (%(names)s)."),
    cleared=_("The work list is empty, or no longer due."),
)
ADDRESS_DIFFERS = Kind(
    "address_differs",
    Severity.NORMAL,
    _("Terminals that fetched their files from another address than the one in the list: %(names)s."),
    cleared=_("All terminals came from the addresses in the list."),
    hint=_("See whether the list is out of date, or somebody else has asked in their name."),
)
SAME_ADDRESS = Kind(
    "same_address",
    Severity.NORMAL,
    _("Several terminals have the same address in the list: %(names)s."),
    cleared=_("Every terminal has an address of its own."),
)


def warnings(situation: Situation, rollout: Rollout | None) -> list[Notice]:
    """All that is true of the rollout in force. Only what is the case costs a query of its own."""
    return [] if rollout is None else list(_all(situation, rollout))


def _all(situation: Situation, rollout: Rollout) -> Iterator[Notice]:
    number, counts = rollout.generation_id, dict.fromkeys(State, 0)
    by_hand = 0
    for group in survey(rollout.generation):
        if group.wave == Wave.BY_HAND:
            by_hand += group.count if group.state not in {State.CONFIRMED, State.SKIPPED} else 0
        else:
            counts[group.state] += group.count
    rows = Installation.objects.filter(generation=number, terminal__enabled=True)
    automatic = rows.exclude(wave=Wave.BY_HAND)
    failed = automatic.filter(state=State.FAILED.value)
    if rollout.state == Rollout.State.STOPPED:
        yield Notice(ROLLOUT_STOPPED, subject=str(number), params={"number": number})
    if rollout.state == Rollout.State.PAUSED:
        yield Notice(ROLLOUT_PAUSED, subject=str(number), params={"number": number, "by": rollout.changed_by or "-"})
    if counts[State.FAILED]:
        yield _notice(TERMINALS_FAILED, rollout, counts[State.FAILED], failed)
    if counts[State.ABSENT]:
        yield _notice(TERMINALS_ABSENT, rollout, counts[State.ABSENT], automatic.filter(state=State.ABSENT.value))
    if by_hand:
        left = rows.filter(wave=Wave.BY_HAND).exclude(state__in=[State.CONFIRMED.value, State.SKIPPED.value])
        yield _notice(MANUAL_LEFT, rollout, by_hand, left)
        yield from _reminder(situation, rollout, by_hand, left)
    differing = _names(rows.filter(address_differs=True))
    if differing:
        yield Notice(ADDRESS_DIFFERS, subject=str(number), params={"names": differing})
    if shared := _shared_addresses():
        yield Notice(SAME_ADDRESS, params={"names": shared})


def _reminder(situation: Situation, rollout: Rollout, count: int, left: QuerySet[Installation]) -> Iterator[Notice]:
    """The work list is due when the server switches; after that at once."""
    due = rollout.generation.deadline if rollout.generation.pending else None
    if due is None:
        return
    days = [step for step in REMINDER_STEPS if due - situation.clock.best <= timedelta(days=step)]
    if days:
        yield _notice(MANUAL_DUE, rollout, count, left, step=str(min(days)), due=due.isoformat(), days=min(days))


def _notice(
    kind: Kind, rollout: Rollout, count: int, rows: QuerySet[Installation], *, step: str = "", **params: object
) -> Notice:
    number = rollout.generation_id
    return Notice(
        kind,
        subject=str(number),
        step=step,
        params={"number": number, "count": count, "names": _names(rows), **params},
    )


def _names(rows: QuerySet[Installation]) -> str:
    """The first of them by their numbers."""
    found = rows.order_by("terminal__number").values_list("terminal__number", "terminal__name")
    return _first([f"{number} {name}".strip() for number, name in found[: NAMED_AT_MOST + 1]])


def _shared_addresses() -> str:
    shared = (
        Terminal.objects.filter(enabled=True)
        .exclude(address="")
        .order_by("address")
        .values_list("address")
        .annotate(count=Count("pk"))
        .filter(count__gt=1)
    )
    return _first([f"{address} ({count})" for address, count in shared[: NAMED_AT_MOST + 1]])


def _first(names: list[str]) -> str:
    """Of one more than are shown: whether there are more."""
    return ", ".join([*names[:NAMED_AT_MOST], "…"] if len(names) > NAMED_AT_MOST else names)
