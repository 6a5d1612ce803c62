"""What terminals trust, by whatever shows it: files fetched, reports, proofs, a person's word. Few statements, whatever the number.

What has to be read is read before anything is locked. A terminal that was deleted meanwhile is left out. Every change is conditional on the state that it changes, so it does not matter whether the worker's answer (`terminals.claims`)
or the evidence that the web process saw is recorded first.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q

from certificates.models import Generation
from terminals.batches import Statement, execute, in_batches, inserts, updates
from terminals.drivers.registry import driver_of
from terminals.models import Installation, Methods, Terminal
from terminals.waves import IN_FLIGHT, State

Evidence = Installation.Evidence


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
    addresses = _addresses(seen)
    newest = _newest(seen, addresses)
    rows = [
        {
            "terminal": one.terminal,
            "fetched_at": one.at,
            "fetched_file": one.file[:128],
            "user_agent": one.user_agent[:200],
            "address": one.address,
            "address_differs": _differs(one, addresses),
        }
        for one in newest
    ]
    back = updates(
        Installation, rows, match=["terminal"], where="t.state IN ('asked', 'heard')", also={"state": "'fetched'"}
    )
    execute([*_contact(newest), *back])


def fetched_trust(seen: Sequence[FetchedTrust]) -> None:
    """A terminal trusts all roots of the file that it took, whoever asked it to."""
    addresses = _addresses(seen)
    rows = [
        {
            "generation": number,
            "terminal": one.terminal,
            "confirmed_at": one.at,
            "evidence": Evidence.FETCHED.value,
            "fetched_at": one.at,
            "fetched_file": one.file[:128],
            "user_agent": one.user_agent[:200],
            "address": one.address,
            "address_differs": _differs(one, addresses),
        }
        for one in seen
        if one.terminal in addresses
        for number in sorted(one.generations)
    ]
    confirmed = _confirmed(rows)
    execute([*_contact(_newest(seen, addresses)), *confirmed])


def reported(seen: Sequence[Reported]) -> None:
    """What is reported is *fetched* until it is proved; a root that is not in the report any more is no longer trusted."""
    addresses = _addresses(seen)
    newest = _newest(seen, addresses)
    ours = _numbers(frozenset().union(*(one.fingerprints for one in newest)))
    holds = {one.terminal: {ours[root] for root in one.fingerprints if root in ours} for one in newest}
    rows = [
        {
            "generation": number,
            "terminal": one.terminal,
            "fetched_at": one.at,
            "next_at": one.at + _answers_within(Methods.IP_SYSTEM),
            "evidence": Evidence.REPORTED.value,
            "user_agent": one.user_agent[:200],
            "address": one.address,
            "address_differs": _differs(one, addresses),
        }
        for one in newest
        for number in sorted(holds[one.terminal])
    ]
    missing, _states = _missing({(terminal, number) for terminal, numbers in holds.items() for number in numbers})
    told = updates(
        Installation,
        rows,
        match=["generation", "terminal"],
        where="t.confirmed_at IS NULL AND t.state NOT IN ('confirmed', 'fetched')",
        also={"state": "'fetched'"},
    )
    with transaction.atomic():
        _forget(holds)
        execute([*_contact(newest), *missing, *told])


def proved(seen: Sequence[Proved]) -> None:
    """Proof of one root of a report confirms the whole report; without a report it says nothing."""
    addresses = _addresses(seen)
    reports: dict[int, set[int]] = {}
    for batch in in_batches(list(addresses)):
        trusted = Installation.objects.filter(terminal__in=batch).filter(
            Q(confirmed_at__isnull=False) | Q(state=State.FETCHED.value, evidence=Evidence.REPORTED.value)
        )
        for terminal, number in trusted.values_list("terminal", "generation"):
            reports.setdefault(terminal, set()).add(number)
    rows = [
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
    confirmed = _confirmed(rows)
    execute([*_contact(_newest(seen, addresses)), *confirmed])


def downloaded(terminal: int, generations: Collection[int], *, at: datetime) -> None:
    """The personal link was opened: delivered, but nobody has said yet that it is installed."""
    Installation.objects.filter(
        terminal=terminal,
        generation__in=generations,
        state__in=[State.WAITING.value, State.ABSENT.value, State.FAILED.value, *(state.value for state in IN_FLIGHT)],
    ).update(state=State.DOWNLOADED.value, fetched_at=at, next_at=None)


def confirmed_by_person(terminals: Iterable[int], generations: Collection[int], *, by: str, at: datetime) -> None:
    """A person says that these terminals trust these generations."""
    rows = [
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
    execute(_confirmed(rows))


def _confirmed(rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
    """The first evidence stands: what is confirmed already is not confirmed anew."""
    first = {(row["terminal"], row["generation"]): row for row in reversed(rows)}
    missing, states = _missing(first)
    rest = [row for key, row in first.items() if states.get(key) != State.CONFIRMED]
    return missing + updates(
        Installation,
        rest,
        match=["generation", "terminal"],
        where="t.state <> 'confirmed'",
        also={"state": "'confirmed'", "next_at": "NULL"},
    )


def _missing(wanted: Collection[tuple[int, int]]) -> tuple[list[Statement], dict[tuple[int, int], str]]:
    """What makes the rows that are not there, and the states of those that are; `wanted`: terminals and generations. A terminal
    may hold the root of a generation whose rollout it was never part of.
    """
    states: dict[tuple[int, int], str] = {}
    numbers = {number for _terminal, number in wanted}
    for batch in in_batches(sorted({terminal for terminal, _number in wanted})):
        found = Installation.objects.filter(terminal__in=batch, generation__in=numbers)
        states.update(
            ((terminal, number), state)
            for terminal, number, state in found.values_list("terminal", "generation", "state")
        )
    missing = sorted(set(wanted).difference(states))
    rows = [{"terminal": terminal, "generation": number} for terminal, number in missing]
    return inserts(Installation, rows), states


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


def _addresses(seen: Sequence[Seen]) -> dict[int, str]:
    """Of those of these terminals that are still in the list, with the addresses that stand there."""
    addresses: dict[int, str] = {}
    for batch in in_batches(sorted({one.terminal for one in seen})):
        addresses.update(Terminal.objects.filter(pk__in=batch).order_by().values_list("pk", "address"))
    return addresses


S = TypeVar("S", bound=Seen)


def _newest(seen: Sequence[S], terminals: Container[int]) -> list[S]:
    return list({one.terminal: one for one in seen if one.terminal in terminals}.values())


def _differs(one: Seen, addresses: Mapping[int, str]) -> bool:
    """Whether it came from another address than the one in the list."""
    address = addresses[one.terminal]
    return bool(address) and host_of(address) != one.address


def _contact(newest: Sequence[Seen]) -> list[Statement]:
    """Remember that these terminals were there, and from where."""
    statements = []
    for named in (True, False):
        rows = [
            {"id": one.terminal, "last_contact": one.at, "last_address": one.address}
            | ({"firmware": one.firmware[:64]} if named else {})
            for one in newest
            if bool(one.firmware) is named
        ]
        statements += updates(Terminal, rows, match=["id"])
    return statements


def host_of(address: str) -> str:
    """The IP address of `IP` or `IP:port`; IPv6 with a port stands in brackets (RFC 3986 section 3.2.2)."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _answers_within(method: str) -> timedelta:
    return driver_of(method).capabilities.answers_within
