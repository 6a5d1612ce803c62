"""Record the evidence of what terminals trust: a file fetched, a report, a proof, or the word of a person.

Each function takes many facts and needs few statements. It reads what it needs before it locks anything, and leaves out
terminals that were deleted meanwhile (rule any-order).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from certificates.models import Generation
from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import EventMessage
from terminals.batches import execute, in_batches, inserts, is_one_of, one_writer, updates
from terminals.drivers.registry import REPORTING_METHODS, driver_of
from terminals.evidence.came_back import came_back
from terminals.evidence.discovery import discovered
from terminals.evidence.facts import (
    CameBack,
    Fact,
    Fetched,
    LoggedEvent,
    Proved,
    Reported,
    UnknownPhone,
)
from terminals.evidence.fetches import fetched
from terminals.evidence.ledger import confirmations, contact, differs, missing_rows, newest_of, of_listed
from terminals.models import Installation
from terminals.states import CLAIMABLE, IN_FLIGHT, DeliveryState

Evidence = Installation.Evidence
PROVED_WITHIN = max(driver_of(method).capabilities.answers_within for method in REPORTING_METHODS)


def reported(seen: Sequence[Reported]) -> None:
    """A reported generation is *fetched* until it is proved; one that a later report lacks is no longer trusted."""
    known, listed = of_listed(seen)
    newest = newest_of(known)
    ours = _numbers(frozenset().union(*(one.fingerprints for one in newest)))
    holds = {one.terminal: {ours[root] for root in one.fingerprints if root in ours} for one in newest}
    rows = [
        {
            "generation": number,
            "terminal": one.terminal,
            "fetched_at": one.at,
            "next_at": one.at + PROVED_WITHIN,
            "evidence": Evidence.REPORTED.value,
            "user_agent": one.user_agent[:200],
            "address": one.address,
            "address_differs": differs(one, listed[one.terminal]),
            "state": DeliveryState.FETCHED,
        }
        for one in newest
        for number in sorted(holds[one.terminal])
    ]
    missing, _states = missing_rows({(terminal, number) for terminal, numbers in holds.items() for number in numbers})
    untold = is_one_of("state", frozenset(DeliveryState) - {DeliveryState.CONFIRMED, DeliveryState.FETCHED})
    untrusted = f"t.confirmed_at IS NULL AND {untold}"
    told = updates(Installation, rows, match=["generation", "terminal"], where=untrusted)
    with one_writer():
        _forget(holds)
        execute([*contact(newest), *missing, *told])


def proved(seen: Sequence[Proved]) -> None:
    """The proof of one reported generation confirms the whole report; without a report before it, it changes nothing."""
    known, listed = of_listed(seen)
    # When each generation was reported that is still to be proved; None where it is proved already.
    reports: dict[int, dict[int, datetime | None]] = {}
    for batch in in_batches(sorted(listed)):
        told = Installation.objects.filter(terminal__in=batch).filter(
            Q(confirmed_at__isnull=False) | Q(state=DeliveryState.FETCHED, evidence=Evidence.REPORTED)
        )
        for terminal, number, at, confirmed_at in told.values_list(
            "terminal", "generation", "fetched_at", "confirmed_at"
        ):
            reports.setdefault(terminal, {})[number] = None if confirmed_at else at
    rows = [
        {
            "generation": number,
            "terminal": one.terminal,
            "confirmed_at": one.at,
            "evidence": Evidence.PROVED.value,
            "user_agent": one.user_agent[:200],
            "address": one.address,
        }
        for one in known
        for number in _reported_before(one, reports.get(one.terminal, {}))
    ]
    confirmed = confirmations(rows)
    execute([*contact(newest_of(known)), *confirmed])


def _reported_before(proof: Proved, reports: Mapping[int, datetime | None]) -> list[int]:
    """What this proof confirms: all that was reported before it, if what it proves is among that."""
    before = [number for number, at in reports.items() if at is None or at <= proof.at]
    return sorted(before) if proof.generation in before else []


def log(logged: Sequence[LoggedEvent]) -> None:
    """Log event messages that are over as soon as they are sent; ten thousand of them are too many for `bulk_create`."""
    rows = []
    for one in logged:
        kind, subject = one.notice.key
        rows.append(
            {
                "kind": kind,
                "subject": subject,
                "severity": one.notice.severity.value,
                "params": one.notice.params,
                "with_match": False,
                "raised_at": one.at,
                "cleared_at": one.at,
            }
        )
    execute(inserts(EventMessage, rows, known_by=["kind", "subject"]))


# In the order in which a phone does these things.
RECORDS: list[tuple[Any, Callable[[Sequence[Any]], None]]] = [
    (Fetched, fetched),
    (Reported, reported),
    (Proved, proved),
    (CameBack, came_back),
]


def write_facts(facts: Collection[Fact]) -> None:
    """Record facts, each kind in a transaction of its own. A fact that is recorded twice changes nothing more.

    Their times are those of the machine that publishes, where this one's clock is another (rule one-time): telephones were asked by
    that one.
    """
    if ahead := other_machines.clock_ahead_of_the_publishers():
        facts = [replace(fact, at=fact.at - ahead) for fact in facts]
    for kind, record in RECORDS:
        if seen := [fact for fact in facts if isinstance(fact, kind)]:
            record(seen)
    log([fact for fact in facts if isinstance(fact, LoggedEvent)])
    # The last, because it counts: where one of the others fails, all of them come again.
    if unknown := [fact for fact in facts if isinstance(fact, UnknownPhone)]:
        discovered(unknown)


# -- what a person says ------------------------------------------------------------------------------------------------


def downloaded(terminal: int, generations: Collection[int], *, at: datetime) -> None:
    """The personal link was opened: delivered, but nobody has said yet that it is installed."""
    rows = Installation.objects.filter(terminal=terminal, generation__in=generations)
    unconfirmed = rows.in_state(*CLAIMABLE, *IN_FLIGHT, DeliveryState.FAILED, DeliveryState.FULL)
    unconfirmed.update(state=DeliveryState.DOWNLOADED, fetched_at=at, next_at=None)


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
    execute(confirmations(rows))


# -- what a report says ------------------------------------------------------------------------------------------------


def _forget(holds: Mapping[int, Collection[int]]) -> None:
    """Take back what terminals had proved, or reported to be proved yet, and no longer report."""
    lost: list[int] = []
    for batch in in_batches(sorted(holds)):
        told = Q(evidence=Evidence.PROVED) | Q(evidence=Evidence.REPORTED, state=DeliveryState.FETCHED)
        rows = Installation.objects.filter(told, terminal__in=batch).values_list("pk", "terminal", "generation")
        lost += [key for key, terminal, number in rows if number not in holds[terminal]]
    for batch in in_batches(lost):
        Installation.objects.filter(pk__in=batch).take_back()


def _numbers(fingerprints: Collection[str]) -> dict[str, int]:
    """The generation of each root that is ours. A report may name any number of others; they are left out."""
    ours = Generation.objects.made().values_list("root_sha256", "number")
    return {fingerprint: number for fingerprint, number in ours if fingerprint in fingerprints}
