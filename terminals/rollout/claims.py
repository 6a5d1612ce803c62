"""Claim terminals that are to be asked by NOTIFY, record what they answered, and give up who does not confirm in time
(rule any-order).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial, reduce
from operator import or_
from typing import Any

from django.db.models import F, Q, QuerySet

from pbxcerts.system.database.prepared import prepared_values
from terminals.batches import execute, in_batches, is_one_of, one_writer, updates
from terminals.drivers.base import Reaction
from terminals.drivers.registry import COUNTING_FROM_RESTART, driver_of
from terminals.evidence import fetches
from terminals.evidence.fetches import DOUBTFUL_AGAIN_AFTER
from terminals.models import Installation, InstallationQuerySet, Rollout, Terminal
from terminals.rollout.waves import AN_HOUR, back_off
from terminals.states import CLAIMABLE, IN_FLIGHT, DeliveryState, Wave
from terminals.tally.models import InstallationTally

FAILING = {
    Reaction.REFUSED: "refused",
    Reaction.CREDENTIALS: "credentials",
    Reaction.NOT_SUPPORTED: "not_supported",
    Reaction.OTHER: "other",
}
NO_WAY = "no_way"
NOT_BACK = "not_back"
NOT_CONFIRMED = "not_confirmed"


class ClaimLost(Exception):
    """Somebody else changed a terminal between being chosen and being claimed; nothing is claimed."""


@dataclass(frozen=True)
class Ask:
    """One terminal that was claimed and is to be sent a NOTIFY. `key` is its installation; `postponed`: how often in a row it
    was not there or had no time; `put_off`: how often in a row the communication server said that it is in a call.
    """

    key: int
    terminal: Terminal
    event: str
    postponed: int = 0
    put_off: int = 0

    @property
    def answers_within(self) -> timedelta:
        return driver_of(self.terminal.type.method).capabilities.answers_within


@dataclass(frozen=True)
class AskResult:
    """What came of an `Ask`: the status of the final response to the NOTIFY (0: none came) and what that means.

    `failure`: why the NOTIFY was not sent, or why no response came, where that tells more than that nobody is there. `realm`:
    the one that asked for credentials and was not satisfied; `realm_proved`: it asked through the communication server over TLS.
    """

    ask: Ask
    status: int
    reaction: Reaction
    retry_after: timedelta | None = None
    failure: str = ""
    realm: str = ""
    realm_proved: bool = False


def claim(generation: int, which: Q, *, at_once: int, now: datetime, machine: datetime) -> list[Ask]:
    """Claim terminals whose turn it is until `at_once` are in flight (rules places, claim-terminals). `machine`: now by the
    machine's clock, by which the listeners see who comes.
    """
    free = at_once - in_flight(generation)
    if free <= 0:
        return []
    claimable = partial(_claimable, generation, which, now)
    chosen = _first(claimable, generation, free)
    if not chosen:
        return []
    # Each type is read once: its guides are long.
    terminals = Terminal.objects.prefetch_related("type").in_bulk([terminal for _key, terminal, *_times in chosen])
    asks = [_ask(key, terminals[terminal], *times) for key, terminal, *times in chosen if terminal in terminals]
    # Other writers wait for the claim alone, not for the choice before it. Whatever they change meanwhile is left out.
    with one_writer():
        # Locked, so that two workers do not count the same free places.
        running = Rollout.objects.select_for_update().filter(generation=generation)
        if not running.in_state(Rollout.State.RUNNING).exists():
            return []
        free = max(at_once - in_flight(generation), 0)
        in_any_state = reduce(or_, map(claimable, CLAIMABLE))
        return [ask for batch in in_batches(asks[:free]) for ask in _claimed(in_any_state, batch, now, machine)]


def _claimable(generation: int, which: Q, now: datetime, state: DeliveryState) -> InstallationQuerySet:
    """Those in this state whose turn may be now."""
    rows = Installation.objects.of(generation).of_enabled_terminals().in_state(state)
    again_within = DOUBTFUL_AGAIN_AFTER if state == DeliveryState.UNPROVED else AN_HOUR
    return rows.due(now, at_most=again_within).filter(which)


def _first(
    claimable: Callable[[DeliveryState], InstallationQuerySet], generation: int, at_most: int
) -> list[tuple[int, int, int, int]]:
    """Installation, terminal and both numbers of postponements of those whose turn comes first. By wave and state the index leads to
    them, without a look at the many whose turn comes later.
    """
    found: list[tuple[int, int, bool, datetime | None, int, int, str]] = []
    last, columns = None, ("postponed", "next_at", "pk", "terminal", "reaction")
    for wave, state in _claimable_kinds(generation):
        if len(found) >= at_most and wave != last:
            break
        last = wave
        alike = claimable(DeliveryState(state)).filter(wave=wave)
        for rows in (alike.filter(next_at=None), alike.filter(next_at__isnull=False).order_by("next_at")):
            found += [
                (wave, postponed, at is not None, at, key, terminal, reaction)
                for postponed, at, key, terminal, reaction in rows.values_list(*columns)[:at_most]
            ]
    found.sort()
    return [
        (key, terminal, postponed, postponed if reaction == Reaction.IN_CALL else 0)
        for _wave, postponed, _set, _at, key, terminal, reaction in found[:at_most]
    ]


@prepared_values
def _claimable_kinds(generation: int) -> QuerySet[InstallationTally, tuple[int, str]]:
    """Of which waves and states some may be claimable. Of the work list nobody is asked whose type has no event string."""
    tallied = InstallationTally.objects.filter(generation=generation, state__in=CLAIMABLE, count__gt=0)
    kinds = tallied.of_enabled_terminals().exclude(wave=Wave.BY_HAND, type__event="").order_by("wave")
    return kinds.values_list("wave", "state").distinct()


def in_flight(generation: int) -> int:
    """How many terminals are asked, heard or fetched. Those of the work list take no place (rule places)."""
    return sum(count for (count,) in _in_flight(generation))


@prepared_values
def _in_flight(generation: int) -> QuerySet[InstallationTally, tuple[int]]:
    rows = InstallationTally.objects.filter(generation=generation, state__in=IN_FLIGHT).exclude(wave=Wave.BY_HAND)
    return rows.of_enabled_terminals().order_by().values_list("count")


def _claimed(claimable: QuerySet[Installation], asks: Sequence[Ask], now: datetime, machine: datetime) -> list[Ask]:
    """Those that are still claimable. What came of the NOTIFY before no longer counts. Raises ClaimLost."""
    left = set(claimable.filter(pk__in=[ask.key for ask in asks]).values_list("pk", flat=True))
    claimed = [ask for ask in asks if ask.key in left]
    rows = Installation.objects.filter(pk__in=left).in_state(*CLAIMABLE)
    # next_at is the same for all of them: what is never answered is given up by it.
    within = max((ask.answers_within for ask in claimed), default=timedelta(0))
    changed = rows.update(
        state=DeliveryState.ASKED,
        asked_at=now,
        notified_at=machine,
        answered_at=None,
        status_code=None,
        reaction="",
        several_addresses=False,
        next_at=now + within,
        attempts=F("attempts") + 1,
    )
    if changed != len(claimed):
        raise ClaimLost(f"{changed} of {len(claimed)}")
    return claimed


def _ask(key: int, terminal: Terminal, postponed: int, put_off: int) -> Ask:
    return Ask(key, terminal, driver_of(terminal.type.method).event(terminal.type.event), postponed, put_off)


def record(answers: Sequence[AskResult], *, now: datetime, seen_at: datetime) -> None:
    """Store the answers. Only what is still *asked* changes its state: the evidence may have come before the answer.

    `now` is by the best clock, `seen_at` the same moment by the machine's (rule which-clock).
    """
    if not answers:
        return
    there = [answer for answer in answers if answer.status and answer.reaction is not Reaction.ABSENT]
    answered = [
        {
            "id": answer.ask.key,
            "answered_at": now if answer.status else None,
            "status_code": answer.status or None,
            "reaction": answer.reaction.value,
            "challenge_realm": answer.realm,
            "challenge_proved": answer.realm_proved,
        }
        for answer in answers
    ]
    consequences = [{"id": answer.ask.key, **_consequence(answer, now)} for answer in answers]
    contacts = [{"id": answer.ask.terminal.pk, "last_contact": seen_at} for answer in there]
    execute(
        [
            *updates(Installation, answered, match=["id"]),
            *updates(Installation, consequences, match=["id"], where=is_one_of("state", [DeliveryState.ASKED])),
            *updates(Terminal, contacts, match=["id"]),
        ]
    )
    for batch in in_batches([answer.ask.key for answer in answers]):
        fetches.never_failed(Installation.objects.filter(pk__in=batch), now=now)
    heard = [answer.ask.terminal for answer in there if answer.reaction is Reaction.HEARD]
    fetches.judge([terminal.pk for terminal in heard])
    fetches.restarted_or_not([terminal.pk for terminal in heard if terminal.type.method in COUNTING_FROM_RESTART])


def _consequence(answer: AskResult, now: datetime) -> dict[str, Any]:
    """The state, the next attempt and the number of postponements that follow from an answer."""
    postponed = answer.ask.postponed
    change: dict[str, Any] = {
        "state": DeliveryState.WAITING.value,
        "next_at": None,
        "postponed": postponed,
        "failure": "",
        "failed_at": None,
    }
    automatic = driver_of(answer.ask.terminal.type.method).capabilities.automatic
    match answer.reaction:
        case Reaction.IN_CALL:
            # Whoever was away before and talks now is given the time of a call all the same.
            times = answer.ask.put_off + 1
            return change | {"next_at": now + back_off(times), "postponed": times}
        case Reaction.ABSENT | Reaction.BUSY | Reaction.OVERLOADED:
            wait = max(back_off(postponed + 1), min(answer.retry_after or timedelta(0), AN_HOUR))
            gone = automatic and answer.reaction is Reaction.ABSENT
            state = DeliveryState.ABSENT if gone else DeliveryState.WAITING
            return change | {
                "state": state.value,
                "next_at": now + wait,
                "postponed": postponed + 1,
                "failure": answer.failure,
            }
        case _ if not automatic:
            # It stays on the work list: only a person confirms it.
            return change
        case Reaction.HEARD:
            return change | {"state": DeliveryState.HEARD.value, "next_at": now + answer.ask.answers_within}
        case _:
            return change | {
                "state": DeliveryState.FAILED.value,
                "failure": answer.failure or FAILING[answer.reaction],
                "failed_at": now,
            }


def leave_alone(asks: Sequence[Ask], *, now: datetime) -> None:
    """Nobody waits for these answers any more. The terminals are not asked again before they could have confirmed."""
    for batch in in_batches(asks):
        Installation.objects.filter(pk__in=[ask.key for ask in batch]).in_state(DeliveryState.ASKED).update(
            state=DeliveryState.ABSENT,
            next_at=now + max(ask.answers_within for ask in batch),
            postponed=F("postponed") + 1,
        )
        fetches.never_failed(Installation.objects.filter(pk__in=[ask.key for ask in batch]), now=now)


@one_writer()
def give_up(generation: int, *, within: timedelta, now: datetime, machine: datetime) -> None:
    """An installation that was heard or fetched and is not confirmed in time has failed (rule given-up).

    One that is still *asked* by then waits to be asked again: the worker was killed before the answer came, and a
    terminal that had heard the NOTIFY all the same would have confirmed.

    `now` is by the best clock. The time of a report was written by a listener, by the machine's clock (rule which-clock), so
    it is over only when it is by both.
    """
    rows = Installation.objects.of(generation)
    rows.in_state(*IN_FLIGHT).too_far_ahead(now, at_most=within).update(next_at=now + within)
    overdue = rows.overdue(now)
    of_a_report = Q(evidence=Installation.Evidence.REPORTED)
    overdue.in_state(DeliveryState.HEARD).update(
        state=DeliveryState.FAILED, failure=NOT_BACK, failed_at=now, next_at=None
    )
    overdue.in_state(DeliveryState.FETCHED).filter(~of_a_report | Q(next_at__lte=machine)).update(
        state=DeliveryState.FAILED, failure=NOT_CONFIRMED, failed_at=now, next_at=None
    )
    overdue.in_state(DeliveryState.ASKED).update(state=DeliveryState.WAITING, next_at=None)
    if InstallationTally.objects.filter(generation=generation, unproved=True, count__gt=0).exists():
        fetches.never_failed(rows, now=now)
