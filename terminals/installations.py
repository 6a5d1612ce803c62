"""What became of a generation on many terminals at once: claims, answers, evidence. Few statements, whatever the number.

Every change is conditional on the state that it changes, so it does not matter who is first: the worker that records an
answer, the web process that records a fetch, or a second worker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from certificates.models import Generation
from terminals.batches import in_batches, insert_missing, update_from
from terminals.drivers.base import Reaction
from terminals.drivers.registry import driver_of
from terminals.models import Installation, Methods, Rollout, Terminal
from terminals.waves import AN_HOUR, IN_FLIGHT, State, Wave, back_off

Evidence = Installation.Evidence

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


class ClaimLost(Exception):
    """Somebody else changed a terminal between being chosen and being claimed; nothing is claimed."""


# -- asked and answered ------------------------------------------------------------------------------------------------


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
    """What came of an Ask: the final status of the NOTIFY (0: none came) and what it means. `failure`: why it was not sent."""

    ask: Ask
    status: int
    reaction: Reaction
    retry_after: timedelta | None = None
    failure: str = ""


def claim(generation: int, which: Q, *, at_once: int, now: datetime) -> list[Ask]:
    """Claim terminals that are waiting or absent, `at_once` less those in flight. None where the rollout does not run."""
    with transaction.atomic():
        # Locked, so that two workers do not count the same free places.
        running = Rollout.objects.select_for_update().filter(generation=generation, state=Rollout.State.RUNNING)
        if not running.exists():
            return []
        rows = Installation.objects.filter(generation=generation, terminal__enabled=True)
        free = at_once - rows.filter(state__in=IN_FLIGHT_STATES).exclude(wave=Wave.BY_HAND).count()
        if free <= 0:
            return []
        due = Q(next_at=None) | Q(next_at__lte=now) | Q(next_at__gt=now + AN_HOUR + STILL_NOW)
        chosen = list(
            rows.filter(which, due, state__in=[State.WAITING.value, State.ABSENT.value])
            .order_by("wave", "postponed", "next_at", "pk")
            .values_list("pk", "terminal", "postponed")[:free]
        )
        # Each type is read once: its guides are long.
        terminals = Terminal.objects.prefetch_related("type").in_bulk([terminal for _key, terminal, _times in chosen])
        asks = [_ask(key, terminals[terminal], postponed) for key, terminal, postponed in chosen]
        for batch in in_batches(asks):
            # next_at is the same for all of them: what is never answered is given up by it.
            within = max(ask.answers_within for ask in batch)
            claimed = Installation.objects.filter(
                pk__in=[ask.key for ask in batch], state__in=[State.WAITING.value, State.ABSENT.value]
            ).update(state=State.ASKED.value, asked_at=now, next_at=now + within, attempts=F("attempts") + 1)
            if claimed != len(batch):
                raise ClaimLost(f"{claimed} of {len(batch)}")
    return asks


def _ask(key: int, terminal: Terminal, postponed: int) -> Ask:
    return Ask(key, terminal, driver_of(terminal.type.method).event(terminal.type.event), postponed)


def record(answers: Sequence[Answered], *, now: datetime) -> None:
    """Write the answers. Evidence that came before its answer stands: only what is still *asked* changes its state."""
    if not answers:
        return
    there = [answer for answer in answers if answer.status and answer.reaction is not Reaction.ABSENT]
    with transaction.atomic():
        update_from(
            Installation,
            [
                {
                    "id": answer.ask.key,
                    "answered_at": now if answer.status else None,
                    "status_code": answer.status or None,
                    "reaction": answer.reaction.value,
                }
                for answer in answers
            ],
            match=["id"],
        )
        update_from(
            Installation,
            [{"id": answer.ask.key, **_consequence(answer, now)} for answer in answers],
            match=["id"],
            where="t.state = 'asked'",
        )
        update_from(Terminal, [{"id": a.ask.terminal.pk, "last_contact": now} for a in there], match=["id"])


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
            return change | {"state": state.value, "next_at": now + wait, "postponed": postponed + 1}
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


# -- evidence ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FetchedConfiguration:
    """A Mitel phone took its own configuration file: it is back. `address` is the IP address that it came from."""

    terminal: int
    file: str
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""


@dataclass(frozen=True)
class FetchedTrust:
    """A terminal took a trust file by itself. `generations`: whose roots that version of the file held."""

    terminal: int
    generations: frozenset[int]
    file: str
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""


@dataclass(frozen=True)
class Reported:
    """An IP system phone says, with its token, the SHA-256 of all roots (lower case, no colons) that it trusts now."""

    terminal: int
    fingerprints: frozenset[str]
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""


@dataclass(frozen=True)
class Proved:
    """An IP system phone connected, with its token, to the proof listener while that presented this generation."""

    terminal: int
    generation: int
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""


Seen = FetchedConfiguration | FetchedTrust | Reported | Proved


def fetched_configuration(seen: Sequence[FetchedConfiguration]) -> None:
    """What was asked and has come back is *fetched*. One that nobody asked changes nothing but its last contact."""
    differing = _contact(seen)
    newest = {one.terminal: one for one in seen}
    update_from(
        Installation,
        [
            {
                "terminal": one.terminal,
                "fetched_at": one.at,
                "fetched_file": one.file[:128],
                "user_agent": one.user_agent[:200],
                "address": one.address,
                "address_differs": one.terminal in differing,
            }
            for one in newest.values()
        ],
        match=["terminal"],
        where="t.state IN ('asked', 'heard')",
        also={"state": "'fetched'"},
    )


def fetched_trust(seen: Sequence[FetchedTrust]) -> None:
    """A terminal trusts all roots of the file that it took, whoever asked it to."""
    differing = _contact(seen)
    _confirm(
        [
            {
                "generation": number,
                "terminal": one.terminal,
                "confirmed_at": one.at,
                "evidence": Evidence.FETCHED.value,
                "fetched_at": one.at,
                "fetched_file": one.file[:128],
                "user_agent": one.user_agent[:200],
                "address": one.address,
                "address_differs": one.terminal in differing,
            }
            for one in seen
            for number in sorted(one.generations)
        ]
    )


def reported(seen: Sequence[Reported]) -> None:
    """What is reported is *fetched* until it is proved; a root that is not in the report any more is no longer trusted."""
    if not seen:
        return
    differing = _contact(seen)
    newest = list({one.terminal: one for one in seen}.values())
    ours = _numbers(frozenset().union(*(one.fingerprints for one in newest)))
    holds = {one.terminal: {ours[root] for root in one.fingerprints if root in ours} for one in newest}
    _forget(holds)
    rows = [
        {
            "generation": number,
            "terminal": one.terminal,
            "fetched_at": one.at,
            "next_at": one.at + _answers_within(Methods.IP_SYSTEM),
            "evidence": Evidence.REPORTED.value,
            "user_agent": one.user_agent[:200],
            "address": one.address,
            "address_differs": one.terminal in differing,
        }
        for one in newest
        for number in sorted(holds[one.terminal])
    ]
    _insert_missing({(terminal, number) for terminal, numbers in holds.items() for number in numbers})
    update_from(
        Installation,
        rows,
        match=["generation", "terminal"],
        where="t.confirmed_at IS NULL AND t.state NOT IN ('confirmed', 'fetched')",
        also={"state": "'fetched'"},
    )


def proved(seen: Sequence[Proved]) -> None:
    """Proof of one root of a report confirms the whole report; without a report it says nothing."""
    if not seen:
        return
    _contact(seen)
    reports: dict[int, set[int]] = {}
    for batch in in_batches(list({one.terminal for one in seen})):
        trusted = Installation.objects.filter(terminal__in=batch).filter(
            Q(confirmed_at__isnull=False) | Q(state=State.FETCHED.value, evidence=Evidence.REPORTED.value)
        )
        for terminal, number in trusted.values_list("terminal", "generation"):
            reports.setdefault(terminal, set()).add(number)
    _confirm(
        [
            {
                "generation": number,
                "terminal": one.terminal,
                "confirmed_at": one.at,
                "evidence": Evidence.PROVED.value,
                "user_agent": one.user_agent[:200],
                "address": one.address,
            }
            for one in seen
            if one.generation in reports.get(one.terminal, ())
            for number in sorted(reports[one.terminal])
        ]
    )


def downloaded(terminal: int, generations: Collection[int], *, at: datetime) -> None:
    """The personal link was opened: delivered, but nobody has said yet that it is installed."""
    Installation.objects.filter(
        terminal=terminal,
        generation__in=generations,
        state__in=[State.WAITING.value, State.ABSENT.value, State.FAILED.value, *IN_FLIGHT_STATES],
    ).update(state=State.DOWNLOADED.value, fetched_at=at, next_at=None)


def confirmed_by_person(terminals: Iterable[int], generations: Collection[int], *, by: str, at: datetime) -> None:
    """A person says that these terminals trust these generations."""
    _confirm(
        [
            {
                "generation": number,
                "terminal": terminal,
                "confirmed_at": at,
                "evidence": Evidence.PERSON.value,
                "confirmed_by": by[:150],
            }
            for terminal in terminals
            for number in sorted(generations)
        ]
    )


def _confirm(rows: Sequence[Mapping[str, Any]]) -> None:
    """The first evidence stands: what is confirmed already is not confirmed anew."""
    first = {(row["terminal"], row["generation"]): row for row in reversed(rows)}
    states = _insert_missing(first)
    update_from(
        Installation,
        [row for key, row in first.items() if states.get(key) != State.CONFIRMED],
        match=["generation", "terminal"],
        where="t.state <> 'confirmed'",
        also={"state": "'confirmed'", "next_at": "NULL"},
    )


def _insert_missing(wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """A terminal may hold the root of a generation whose rollout it was never part of; `wanted` are pairs of both. Returns the
    states of those that were there.
    """
    known: dict[tuple[int, int], str] = {}
    numbers = {number for _terminal, number in wanted}
    for batch in in_batches(sorted({terminal for terminal, _number in wanted})):
        found = Installation.objects.filter(terminal__in=batch, generation__in=numbers)
        known.update(
            ((terminal, number), state)
            for terminal, number, state in found.values_list("terminal", "generation", "state")
        )
    missing = sorted(set(wanted).difference(known))
    insert_missing(Installation, [{"terminal": terminal, "generation": number} for terminal, number in missing])
    return known


def _forget(holds: Mapping[int, Collection[int]]) -> None:
    """Take back what a terminal has confirmed and says it no longer holds."""
    lost: list[int] = []
    for batch in in_batches(sorted(holds)):
        trusted = Installation.objects.filter(terminal__in=batch, evidence=Evidence.PROVED.value)
        for key, terminal, number in trusted.values_list("pk", "terminal", "generation"):
            if number not in holds[terminal]:
                lost.append(key)
    for batch in in_batches(lost):
        Installation.objects.filter(pk__in=batch).update(
            state=State.WAITING.value, confirmed_at=None, evidence="", next_at=None
        )


def _numbers(fingerprints: Collection[str]) -> dict[str, int]:
    """Which generation a root belongs to. What is none of ours is left out; a report may name any number of those."""
    ours = Generation.objects.exclude(root_sha256="").values_list("root_sha256", "number")
    return {fingerprint: number for fingerprint, number in ours if fingerprint in fingerprints}


def _contact(seen: Sequence[Seen]) -> set[int]:
    """Remember that these terminals were there, and from where; returns those whose address is not the one in the list."""
    newest = {one.terminal: one for one in seen}
    differing: set[int] = set()
    for batch in in_batches(sorted(newest)):
        for key, address in Terminal.objects.filter(pk__in=batch).exclude(address="").values_list("pk", "address"):
            if host_of(address) != newest[key].address:
                differing.add(key)
    for named in (True, False):
        rows = [
            {"id": one.terminal, "last_contact": one.at, "last_address": one.address}
            | ({"firmware": one.firmware[:64]} if named else {})
            for one in newest.values()
            if bool(one.firmware) is named
        ]
        update_from(Terminal, rows, match=["id"])
    return differing


def host_of(address: str) -> str:
    """The IP address of `IP` or `IP:port`; IPv6 with a port stands in brackets (RFC 3986 section 3.2.2)."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _answers_within(method: str) -> timedelta:
    return driver_of(method).capabilities.answers_within
