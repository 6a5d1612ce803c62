"""Who is claimed and asked, what they answered, and who is given up. Few statements, whatever the number.

Every change is conditional on the state that it changes, so it does not matter who is first: the worker that records an
answer, the web process that records a fetch, or a second worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from terminals.batches import execute, in_batches, updates
from terminals.drivers.base import Reaction
from terminals.drivers.registry import driver_of
from terminals.models import Installation, Rollout, Terminal
from terminals.waves import AN_HOUR, IN_FLIGHT, State, Wave, back_off

# A moment further ahead than that was written by a clock that has been set back since.
STILL_NOW = timedelta(minutes=1)
FAILING = {
    Reaction.REFUSED: "refused",
    Reaction.CREDENTIALS: "credentials",
    Reaction.NOT_SUPPORTED: "not_supported",
    Reaction.OTHER: "other",
}
NO_WAY = "no_way"
NOT_BACK = "not_back"
NOT_CONFIRMED = "not_confirmed"
IN_FLIGHT_STATES = [state.value for state in IN_FLIGHT]
CLAIMABLE_STATES = [State.WAITING.value, State.ABSENT.value]


class ClaimLost(Exception):
    """Somebody else changed a terminal between being chosen and being claimed; nothing is claimed."""


@dataclass(frozen=True)
class Ask:
    """One terminal that was claimed and is to be sent a NOTIFY. `key` is its installation; `postponed`: how often in a row it
    was not there or had no time.
    """

    key: int
    terminal: Terminal
    event: str
    postponed: int = 0

    @property
    def answers_within(self) -> timedelta:
        return driver_of(self.terminal.type.method).capabilities.answers_within


@dataclass(frozen=True)
class Answered:
    """What came of an Ask: the final status of the NOTIFY (0: none came) and what it means. `failure`: why it did not go out."""

    ask: Ask
    status: int
    reaction: Reaction
    retry_after: timedelta | None = None
    failure: str = ""


def claim(generation: int, which: Q, *, at_once: int, now: datetime) -> list[Ask]:
    """Claim terminals that are waiting or absent, `at_once` less those in flight. None where the rollout does not run."""
    free = at_once - in_flight(generation)
    if free <= 0:
        return []
    due = Q(next_at=None) | Q(next_at__lte=now) | Q(next_at__gt=now + AN_HOUR + STILL_NOW)
    claimable = Installation.objects.filter(
        which, due, generation=generation, terminal__enabled=True, state__in=CLAIMABLE_STATES
    )
    ordered = claimable.order_by("wave", "postponed", "next_at", "pk")
    chosen = list(ordered.values_list("pk", "terminal", "postponed")[:free])
    # Each type is read once: its guides are long.
    terminals = Terminal.objects.prefetch_related("type").in_bulk([terminal for _key, terminal, _times in chosen])
    asks = [_ask(key, terminals[terminal], postponed) for key, terminal, postponed in chosen if terminal in terminals]
    # Others write meanwhile: they wait for the claim alone, not for the choice, and whom they have changed is left out.
    with transaction.atomic():
        # Locked, so that two workers do not count the same free places.
        running = Rollout.objects.select_for_update().filter(generation=generation, state=Rollout.State.RUNNING)
        if not running.exists():
            return []
        free = max(at_once - in_flight(generation), 0)
        return [ask for batch in in_batches(asks[:free]) for ask in _claimed(claimable, batch, now)]


def in_flight(generation: int) -> int:
    """How many were asked, or are on their way, those of the work list left out."""
    rows = Installation.objects.filter(generation=generation, state__in=IN_FLIGHT_STATES, terminal__enabled=True)
    return rows.exclude(wave=Wave.BY_HAND).count()


def _claimed(claimable: QuerySet[Installation], asks: Sequence[Ask], now: datetime) -> list[Ask]:
    """Those that are still claimable. Raises ClaimLost."""
    left = set(claimable.filter(pk__in=[ask.key for ask in asks]).values_list("pk", flat=True))
    claimed = [ask for ask in asks if ask.key in left]
    rows = Installation.objects.filter(pk__in=left, state__in=CLAIMABLE_STATES)
    # next_at is the same for all of them: what is never answered is given up by it.
    within = max((ask.answers_within for ask in claimed), default=timedelta(0))
    changed = rows.update(state=State.ASKED.value, asked_at=now, next_at=now + within, attempts=F("attempts") + 1)
    if changed != len(claimed):
        raise ClaimLost(f"{changed} of {len(claimed)}")
    return claimed


def _ask(key: int, terminal: Terminal, postponed: int) -> Ask:
    return Ask(key, terminal, driver_of(terminal.type.method).event(terminal.type.event), postponed)


def record(answers: Sequence[Answered], *, now: datetime) -> None:
    """Write the answers. Evidence that came before its answer stands: only what is still *asked* changes its state."""
    if not answers:
        return
    there = [answer for answer in answers if answer.status and answer.reaction is not Reaction.ABSENT]
    answered = [
        {
            "id": answer.ask.key,
            "answered_at": now if answer.status else None,
            "status_code": answer.status or None,
            "reaction": answer.reaction.value,
        }
        for answer in answers
    ]
    consequences = [{"id": answer.ask.key, **_consequence(answer, now)} for answer in answers]
    contacts = [{"id": answer.ask.terminal.pk, "last_contact": now} for answer in there]
    execute(
        [
            *updates(Installation, answered, match=["id"]),
            *updates(Installation, consequences, match=["id"], where="t.state = 'asked'"),
            *updates(Terminal, contacts, match=["id"]),
        ]
    )


def _consequence(answer: Answered, now: datetime) -> dict[str, Any]:
    """State, next moment, and how often it was put off, by the answer."""
    postponed = answer.ask.postponed
    change: dict[str, Any] = {
        "state": State.WAITING.value,
        "next_at": None,
        "postponed": postponed,
        "failure": "",
        "failed_at": None,
    }
    automatic = driver_of(answer.ask.terminal.type.method).capabilities.automatic
    match answer.reaction:
        case Reaction.ABSENT | Reaction.BUSY | Reaction.OVERLOADED:
            wait = max(back_off(postponed + 1), min(answer.retry_after or timedelta(0), AN_HOUR))
            gone = automatic and answer.reaction is Reaction.ABSENT
            state = State.ABSENT if gone else State.WAITING
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
            return change | {"state": State.HEARD.value, "next_at": now + answer.ask.answers_within}
        case _:
            return change | {
                "state": State.FAILED.value,
                "failure": answer.failure or FAILING[answer.reaction],
                "failed_at": now,
            }


def interrupted(asks: Sequence[Ask], *, now: datetime) -> None:
    """Sent and not waited for: not asked again before it could have confirmed."""
    for batch in in_batches(asks):
        Installation.objects.filter(pk__in=[ask.key for ask in batch], state=State.ASKED.value).update(
            state=State.ABSENT.value,
            next_at=now + max(ask.answers_within for ask in batch),
            postponed=F("postponed") + 1,
        )


def give_up(generation: int, *, within: timedelta, now: datetime) -> None:
    """What was heard or fetched and is not confirmed in time has failed. What was claimed and never answered waits again:
    the worker was killed meanwhile, and whoever heard it all the same would have confirmed by now.
    """
    rows = Installation.objects.filter(generation=generation)
    rows.filter(state__in=IN_FLIGHT_STATES, next_at__gt=now + within + STILL_NOW).update(next_at=now + within)
    overdue = rows.filter(next_at__lte=now)
    overdue.filter(state=State.HEARD.value).update(
        state=State.FAILED.value, failure=NOT_BACK, failed_at=now, next_at=None
    )
    overdue.filter(state=State.FETCHED.value).update(
        state=State.FAILED.value, failure=NOT_CONFIRMED, failed_at=now, next_at=None
    )
    overdue.filter(state=State.ASKED.value).update(state=State.WAITING.value, next_at=None)
