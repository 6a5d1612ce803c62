"""What the rollout always says when it is true: notices for the page, and event messages (rule warnings).

The ids are stable, as those of `certificates.status.warnings`.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from certificates.renewal.situation import Situation
from pbxcerts.system.database.prepared import prepared_values
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from terminals.models import Installation, InstallationQuerySet, Rollout, Terminal
from terminals.rollout.target import rollout_target, terminal_groups
from terminals.rollout.waves import TerminalGroup
from terminals.states import SETTLED, DeliveryState, Wave
from terminals.tally import counts as tally
from terminals.tally.models import SharedAddress

NAMED_AT_MOST = 5
TOLD_FOR = timedelta(days=1)
REMINDER_STEPS = (14, 7, 3, 1)

ROLLOUT_STOPPED = EventKind(
    "rollout_stopped",
    Severity.CRITICAL,
    _(
        "The rollout of generation %(number)s has stopped, because too many terminals failed. No other terminal is asked, and the"
        " deadline of the handover is held, until a person goes on."
    ),
    cleared=_("The rollout of generation %(number)s is no longer stopped, or no longer in force."),
    hint=_("See why they failed on the page of the rollout, mend it, then retry the failed ones and continue."),
    cause=_("More terminals of a wave did not take the new pair than the settings allow."),
    consequence=_(
        "Calls go on. At the latest 24 hours before the active pair ends the communication server is switched all the same, and"
        " terminals that lack the new pair can't call then."
    ),
)
ROLLOUT_PAUSED = EventKind(
    "rollout_paused",
    Severity.SERIOUS,
    _(
        "%(by)s has paused the rollout of generation %(number)s. Nobody else is asked, and the deadline of the handover is held."
    ),
    cleared=_("The rollout of generation %(number)s is no longer paused, or no longer in force."),
    cause=_("A person has pressed “Pause”."),
    consequence=_(
        "Calls go on. At the latest 24 hours before the active pair ends the communication server is switched all the same, and"
        " terminals that lack the new pair can't call then."
    ),
    remedy=_("Continue the rollout when nothing stands against it any more."),
)
TERMINALS_CUT_OFF = EventKind(
    "terminals_cut_off",
    Severity.CRITICAL,
    _(
        "The communication server presents generation %(number)s, which terminals do not trust that could call before:"
        " %(count)s (%(names)s). They refuse it at their next connection and can't call then."
    ),
    cleared=_(
        "Generation %(number)s is no longer presented, or no terminal is known any more that does not trust"
        " it and could call before."
    ),
    hint=_("Roll back to the generation before, or give these terminals the new one."),
    cause=_(
        "The communication server was switched before these terminals had the new pair: the deadline came, or a person"
        " activated it."
    ),
    consequence=_("They can't call over TLS from their next connection on, often at once."),
    headline=ngettext_lazy(
        "%(count)s terminal does not trust generation %(number)s and refuses the communication server at its next connection.",
        "%(count)s terminals do not trust generation %(number)s and refuse the communication server at their next connection.",
        "count",
    ),
)
TERMINALS_FAILED = EventKind(
    "terminals_failed",
    Severity.SERIOUS,
    _("Terminals that did not take generation %(number)s: %(count)s (%(names)s)."),
    cleared=_("No terminal is left that did not take generation %(number)s, or its rollout is no longer in force."),
    cause=_("They refused the notification, or have not shown within 45 minutes of it that they took the file."),
    consequence=_("Until the switch none. After it they can't call over TLS."),
    remedy=_("The page of the rollout says why; mend it and retry them, or install the file by hand."),
)
TERMINALS_ABSENT = EventKind(
    "terminals_absent",
    Severity.NORMAL,
    _(
        "Terminals that were not there for generation %(number)s: %(count)s (%(names)s). They are asked again by themselves."
    ),
    cleared=_(
        "No terminal is left that was not there for generation %(number)s, or its rollout is no longer in force."
    ),
    cause=_("They are off, have another address, or the way to them is closed."),
    consequence=_(
        "Until the switch none. Who comes back only after it can't call over TLS before it has the new pair."
    ),
    remedy=_("Nothing where it is known why. Else check address and network, and remove terminals that are gone."),
)
MANUAL_LEFT = EventKind(
    "manual_left",
    Severity.NORMAL,
    _("Terminals to be given generation %(number)s by hand: %(count)s (%(names)s)."),
    cleared=_("No terminal is left to be given generation %(number)s by hand, or its rollout is no longer in force."),
    cause=_("A new pair is handed out, and these terminals can't fetch it by themselves."),
    consequence=_("Until the switch none. After it those without the new pair can't call over TLS."),
    remedy=_("Install the file by the work list, and confirm it."),
)
MANUAL_DUE = EventKind(
    "manual_due",
    Severity.SERIOUS,
    _("By hand until %(due)s: %(count)s terminals need generation %(number)s (%(names)s)."),
    cleared=_(
        "No terminal is left to be given generation %(number)s by hand, its deadline has come or is further"
        " away, or its rollout is no longer in force."
    ),
    cause=_("The deadline of the handover is near, and the file is not installed on these terminals."),
    consequence=_("After the switch they can't call over TLS."),
    remedy=_("Install the file by the work list and confirm it, or move the deadline."),
    instants=("due",),
)
LISTS_FULL = EventKind(
    "lists_full",
    Severity.SERIOUS,
    _(
        "Terminals whose list of certificates is full, so that they are not told generation %(number)s: %(count)s (%(names)s). They"
        " are not notified; the switch waits for them."
    ),
    cleared=_(
        "No terminal is left that is not told generation %(number)s because its list is full, or its rollout is no longer in force."
    ),
    hint=_("The work list says what to do. When there is room again they are notified by themselves."),
    cause=_("The telephones have kept the roots of earlier generations and have no room for another."),
    consequence=_("Until the switch none. After it they can't call over TLS."),
)
FETCHES_UNPROVED = EventKind(
    "fetches_unproved",
    Severity.NORMAL,
    _(
        "The trust file of generation %(number)s was fetched in the name of these terminals, and nothing shows that they did it:"
        " %(count)s (%(names)s). The switch waits for them."
    ),
    cleared=_(
        "No terminal is left in whose name generation %(number)s was fetched without a proof, or its rollout"
        " is no longer in force."
    ),
    hint=_(
        "On the page of the rollout the addresses stand from which it was fetched. Accept them there, enter the addresses of the"
        " terminals, or name the telephones' networks under Delivery."
    ),
    cause=_("Whoever fetched came from an address that is neither listed nor named as the telephones' own."),
    consequence=_(
        "Calls go on; the switch waits for these terminals until the deadline. Who has not taken the pair can't call after it."
    ),
)
SEVERAL_ADDRESSES = EventKind(
    "several_addresses",
    Severity.SERIOUS,
    _(
        "After their notification more than one address has asked for the files of these terminals: %(count)s (%(names)s)."
        " Somebody may ask in their name."
    ),
    cleared=_(
        "No terminal is left for whose files more than one address has asked within a day, or the rollout of"
        " generation %(number)s is no longer in force."
    ),
    hint=_("The page of each terminal names the addresses. A secret address for each telephone keeps strangers out."),
    cause=_("A telephone has changed its address or has two, or a stranger fetches files in its name."),
    consequence=_(
        "The fetch does not count as a confirmation. If nobody settles it, the deadline comes, and a telephone that lacks the"
        " new pair can't call then."
    ),
)
ADDRESS_DIFFERS = EventKind(
    "address_differs",
    Severity.NORMAL,
    _("Terminals that fetched their files from another address than the one in the list: %(names)s."),
    cleared=_(
        "No terminal is left that came from another address than the one in the list, or the rollout is no"
        " longer in force."
    ),
    hint=_("See whether the list is out of date."),
    cause=_("The telephone has got another address, or the list was entered wrong."),
    consequence=_("None for calls: what was fetched counts. A notification to the old address may not reach it."),
)
SAME_ADDRESS = EventKind(
    "same_address",
    Severity.NORMAL,
    _("Several terminals have the same address in the list: %(names)s."),
    cleared=_("No address stands with several enabled terminals in the list any more."),
    cause=_("Two terminals were entered with one address, or several stand behind one router or gateway."),
    consequence=_("None for calls by itself; but one of them can fetch files in another's name, and count as it."),
    remedy=_("Correct the list, or leave it where they really share the address."),
)

_OF_STATE = {
    DeliveryState.FAILED: TERMINALS_FAILED,
    DeliveryState.ABSENT: TERMINALS_ABSENT,
    DeliveryState.FULL: LISTS_FULL,
}
"""What is told of telephones that stand so and are asked by themselves."""


def rollout_warnings(
    situation: Situation, rollout: Rollout | None, groups: list[TerminalGroup] | None = None
) -> list[Notice]:
    """All that is true of the terminals and of the rollout in force. Only what is the case costs a query of its own. `groups`:
    where somebody has read already how the terminals stand.
    """
    if rollout is None and rollout_target(situation) is not None:
        # The heartbeat begins one where anybody is concerned: there is nobody.
        return []
    in_force = () if rollout is None else _of_rollout(situation, rollout, groups)
    return [*_cut_off(situation), *in_force, *_same_address()]


def _of_rollout(situation: Situation, rollout: Rollout, groups: list[TerminalGroup] | None) -> Iterator[Notice]:
    number, counts = rollout.generation_id, dict.fromkeys(DeliveryState, 0)
    by_hand = 0
    for group in terminal_groups(rollout.generation) if groups is None else groups:
        if group.wave == Wave.BY_HAND:
            by_hand += group.count if group.state not in SETTLED else 0
        else:
            counts[group.state] += group.count
    if rollout.state == Rollout.State.STOPPED:
        yield Notice(ROLLOUT_STOPPED, subject=str(number), params={"number": number})
    if rollout.state == Rollout.State.PAUSED:
        yield Notice(ROLLOUT_PAUSED, subject=str(number), params={"number": number, "by": rollout.changed_by or "-"})
    for state, kind in _OF_STATE.items():
        if counts[state]:
            yield _notice(kind, rollout, counts[state], _named(_first_in_waves(number, state)))
    if by_hand:
        left = _named(_first_by_hand(number))
        yield _notice(MANUAL_LEFT, rollout, by_hand, left)
        yield from _reminder(situation, rollout, by_hand, left)
    yield from _doubts(situation, rollout)
    if _any_differing(number) and (differing := _names(_differing(number))):
        yield Notice(ADDRESS_DIFFERS, subject=str(number), params={"names": differing})


@prepared_values
def _first_in_waves(generation: int, state: str) -> QuerySet[Installation, tuple[str, str]]:
    return _first_of(Installation.objects.of(generation).in_waves().filter(state=state))


@prepared_values
def _first_by_hand(generation: int) -> QuerySet[Installation, tuple[str, str]]:
    """Of those where something is left to do."""
    return _first_of(Installation.objects.of(generation).by_hand().unsettled())


@prepared_values
def _any_differing(generation: int) -> QuerySet[Installation, tuple[int]]:
    return _differing(generation).of_enabled_terminals().order_by().values_list("pk")[:1]


def _differing(generation: int) -> InstallationQuerySet:
    return Installation.objects.of(generation).trusted().filter(address_differs=True)


def _cut_off(situation: Situation) -> Iterator[Notice]:
    """Those whose calls the last switch has cost, or will at their next connection."""
    active = situation.active
    if active is None or not tally.trust_something_else(active):
        return
    if count := (terminals := Terminal.objects.all().cut_off_by(active)).count():
        params = {
            "number": active.number,
            "count": count,
            "names": _named(terminals.order_by("number").values_list("number", "name")[: NAMED_AT_MOST + 1]),
        }
        yield Notice(TERMINALS_CUT_OFF, subject=str(active.number), params=params)


def _doubts(situation: Situation, rollout: Rollout) -> Iterator[Notice]:
    """Of whom somebody else may have asked for the files (rules unproved, proved-by-answer): two queries where nobody has."""
    if count := tally.unproved(rollout.generation_id):
        yield _notice(
            FETCHES_UNPROVED, rollout, count, _names(Installation.objects.of(rollout.generation_id).unproved())
        )
    if not _any_with_several(rollout.generation_id):
        return
    lately = situation.clock.best - TOLD_FOR
    rows = Installation.objects.of(rollout.generation_id).of_enabled_terminals()
    several = rows.filter(several_addresses=True, asked_at__gte=lately)
    if count := several.count():
        # Each number is a message of its own: one a round at most.
        yield _notice(SEVERAL_ADDRESSES, rollout, count, _names(several), step=str(count))


@prepared_values
def _any_with_several(generation: int) -> QuerySet[Installation, tuple[int]]:
    rows = Installation.objects.filter(generation=generation, several_addresses=True).of_enabled_terminals()
    return rows.order_by().values_list("pk")[:1]


def _reminder(situation: Situation, rollout: Rollout, count: int, names: str) -> Iterator[Notice]:
    """The work list is due when the server switches; after that at once."""
    due = rollout.generation.deadline if rollout.generation.pending else None
    if due is None:
        return
    days = [step for step in REMINDER_STEPS if due - situation.clock.best <= timedelta(days=step)]
    if days:
        yield _notice(MANUAL_DUE, rollout, count, names, step=str(min(days)), due=due.isoformat(), days=min(days))


def _notice(kind: EventKind, rollout: Rollout, count: int, names: str, *, step: str = "", **params: object) -> Notice:
    number = rollout.generation_id
    return Notice(
        kind,
        subject=str(number),
        step=step,
        params={"number": number, "count": count, "names": names, **params},
    )


def _names(rows: InstallationQuerySet) -> str:
    return _named(_first_of(rows))


def _first_of(rows: InstallationQuerySet) -> QuerySet[Installation, tuple[str, str]]:
    """The numbers and names of the first enabled terminals of these rows, and of one more than are named."""
    named = rows.of_enabled_terminals().some().order_by("terminal__number")
    return named.values_list("terminal__number", "terminal__name")[: NAMED_AT_MOST + 1]


def _named(numbers_and_names: Iterable[tuple[str, str]]) -> str:
    return _first([f"{number} {name}".strip() for number, name in numbers_and_names])


def _same_address() -> Iterator[Notice]:
    if names := _first([f"{address} ({count})" for address, count in _shared_addresses()]):
        yield Notice(SAME_ADDRESS, params={"names": names})


@prepared_values
def _shared_addresses() -> QuerySet[SharedAddress, tuple[str, int]]:
    return SharedAddress.objects.order_by("address").values_list("address", "count")[: NAMED_AT_MOST + 1]


def _first(names: list[str]) -> str:
    """The names that are shown, and "…" if `names` holds more than these."""
    return ", ".join([*names[:NAMED_AT_MOST], "…"] if len(names) > NAMED_AT_MOST else names)
