"""Evidence on its way from the event loop to the database: queued, and written in batches by a thread.

What says the same of the same terminal replaces what waits, so that the queue never holds more than the list of terminals
does. What the database does not take waits for the next time; on a clean end the queue is written first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
    transaction,
)

from pbxcerts.system.database_lock import let_go_of
from pbxcerts.system.events import Notice
from pbxcerts.system.models import EventMessage
from terminals import installations
from terminals.batches import in_batches, insert_missing, update_from
from terminals.evidence_journal import Journal
from terminals.installations import FetchedConfiguration, FetchedTrust, Proved, Reported, Seen
from terminals.models import Discovered, Terminal

EVERY = 0.1
PAUSE_PER_WRITING = 5
"""While very many phones fetch, no more than a sixth of the time goes into writing: larger batches cost less a phone."""
LONGEST_PAUSE = 0.3
"""Seconds; a batch of so long keeps no other writer waiting for long."""
PAUSES_FOR_OTHERS = 10
AGAIN_AFTER = 1.0
LIMIT = 200_000
"""Facts that may wait while the database takes none. Above it what comes is dropped: that phone is asked again."""
DISCOVERED_AT_MOST = 1_000
DISCOVERED_PER_BATCH = 20

logger = logging.getLogger("pbxcerts.web")


@dataclass(frozen=True)
class Unknown:
    """A phone that is not in the list asked for its configuration."""

    mac: str
    model: str
    firmware: str
    address: str
    at: datetime


@dataclass(frozen=True)
class Logged:
    """Something that is logged as an event message that nobody need confirm, once for its kind and subject."""

    notice: Notice
    at: datetime


Fact = Seen | Unknown | Logged


def subject_of(fact: Fact) -> Hashable:
    """What a later fact takes the place of."""
    match fact:
        case FetchedConfiguration():
            return FetchedConfiguration, fact.terminal
        case FetchedTrust():
            return FetchedTrust, fact.terminal, fact.generations
        case Reported():
            return Reported, fact.terminal
        case Proved():
            return Proved, fact.terminal, fact.generation
        case Unknown():
            return Unknown, fact.mac
        case Logged():
            return Logged, fact.notice.key


def write(facts: Collection[Fact]) -> None:
    """All in one transaction. A terminal that was deleted meanwhile is left out."""
    with transaction.atomic():
        _discovered([fact for fact in facts if isinstance(fact, Unknown)])
        seen = _of_known_terminals([fact for fact in facts if not isinstance(fact, Unknown | Logged)])
        took_both = {fact.terminal for fact in seen if isinstance(fact, FetchedTrust)}
        # Of a phone that has taken its trust file too, the configuration says nothing more.
        seen = [fact for fact in seen if not (isinstance(fact, FetchedConfiguration) and fact.terminal in took_both)]
        for kind, record in RECORDS:
            chosen = [fact for fact in seen if isinstance(fact, kind)]
            if chosen:
                record(chosen)
        log([fact for fact in facts if isinstance(fact, Logged)])


# In the order in which a phone does these things.
RECORDS: list[tuple[type[Seen], Callable[[Sequence[Any]], None]]] = [
    (FetchedConfiguration, installations.fetched_configuration),
    (FetchedTrust, installations.fetched_trust),
    (Reported, installations.reported),
    (Proved, installations.proved),
]


def _of_known_terminals(seen: Sequence[Seen]) -> list[Seen]:
    known: set[int] = set()
    for batch in in_batches(sorted({one.terminal for one in seen})):
        found = Terminal.objects.filter(pk__in=batch)
        # Nearly always all of them; a row for each would give the interpreter away as often.
        known.update(batch if found.count() == len(batch) else found.values_list("pk", flat=True))
    return [one for one in seen if one.terminal in known]


def _discovered(unknown: Sequence[Unknown]) -> None:
    """At most a thousand rows in all and twenty new ones at a time: a MAC is easily made up."""
    if not unknown:
        return
    by_mac = {one.mac: one for one in unknown}
    known = set(Discovered.objects.filter(mac__in=by_mac).values_list("mac", flat=True))
    again = [one for one in by_mac.values() if one.mac in known]
    if again:
        update_from(
            Discovered,
            [{"mac": one.mac, "address": one.address, "last_seen": one.at} for one in again],
            match=["mac"],
            also={"requests": "t.requests + 1"},
        )
    free = min(DISCOVERED_PER_BATCH, DISCOVERED_AT_MOST - Discovered.objects.count())
    new = [one for one in by_mac.values() if one.mac not in known][: max(free, 0)]
    Discovered.objects.bulk_create(
        [
            Discovered(
                mac=one.mac,
                model=one.model[:32],
                firmware=one.firmware[:64],
                address=one.address[:64],
                first_seen=one.at,
                last_seen=one.at,
            )
            for one in new
        ],
        ignore_conflicts=True,
    )


def log(logged: Sequence[Logged]) -> None:
    """As event messages that are over as soon as they are sent. Ten thousand phones are as many: too many for `bulk_create`."""
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
    insert_missing(EventMessage, rows, known_by=["kind", "subject"])


class Evidence:
    """The queue. `add` is called in the event loop; `run` is a task there until `close` has written the rest.

    While `others_first` is true it waits a little longer: a large batch holds the interpreter that a page needs too. What waits
    stands in the `journal` as well; what that still holds of a process before is written first.
    """

    def __init__(
        self,
        write: Callable[[Collection[Fact]], None] = write,
        *,
        others_first: Callable[[], bool] = lambda: False,
        journal: Journal | None = None,
    ) -> None:
        self._write = write
        self._others_first = others_first
        self._waiting: dict[Hashable, Fact] = {}
        self._logged: set[Hashable] = set()
        self._arrived = asyncio.Event()
        self._ending = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "evidence")
        self._journal = journal
        self._to_journal: list[Seen] = []
        self.dropped = 0
        for fact in journal.left() if journal is not None else ():
            self._waiting[subject_of(fact)] = fact
            self._arrived.set()

    def add(self, fact: Fact) -> None:
        subject = subject_of(fact)
        if subject in self._logged:
            return
        if len(self._waiting) >= LIMIT and subject not in self._waiting:
            self.dropped += 1
            return
        # The newest last: the order is that in which things happened.
        self._waiting.pop(subject, None)
        self._waiting[subject] = fact
        self._arrived.set()
        if self._journal is not None and not isinstance(fact, Unknown | Logged):
            if not self._to_journal:
                # Once for all that comes in this round of the event loop.
                asyncio.get_running_loop().call_soon(self._write_journal)
            self._to_journal.append(fact)

    def _write_journal(self) -> None:
        if self._journal is not None and self._to_journal:
            self._journal.write(self._to_journal)
            self._to_journal = []

    async def run(self) -> None:
        """Write what arrives, every tenth of a second or less often while something does; the rest when `close` is called."""
        loop = asyncio.get_running_loop()
        pause = EVERY
        try:
            while not self._ending.is_set():
                await self._arrived.wait()
                await self._pause(pause)
                for _ in range(PAUSES_FOR_OTHERS):
                    if self._others_first():
                        await self._pause(EVERY)
                began = loop.time()
                if not await self._flush():
                    await self._pause(AGAIN_AFTER)
                pause = max(EVERY, min(PAUSE_PER_WRITING * (loop.time() - began), LONGEST_PAUSE))
            while self._waiting and not await self._flush():
                await asyncio.sleep(EVERY)
        finally:
            self._thread.submit(connections.close_all)
            self._thread.shutdown(wait=False)

    def close(self) -> None:
        """Write what waits and end; called when no request is being answered any more."""
        self._ending.set()
        self._arrived.set()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return

    async def _flush(self) -> bool:
        """Whether the database took what was waiting."""
        taken, self._waiting = self._waiting, {}
        self._arrived.clear()
        if not taken:
            return True
        self._write_journal()
        written = self._journal.turn() if self._journal is not None else []
        loop = asyncio.get_running_loop()
        rest = await loop.run_in_executor(self._thread, self._take, list(taken.values()))
        if rest:
            # What came meanwhile is newer.
            self._waiting = {subject_of(fact): fact for fact in rest} | self._waiting
            self._arrived.set()
        else:
            self._remember(taken)
            if self._journal is not None:
                self._journal.forget(written)
        return not rest

    def _remember(self, taken: Mapping[Hashable, Fact]) -> None:
        """What stands in the log already is not looked for there at each further file of the same phone."""
        if len(self._logged) >= LIMIT:
            self._logged.clear()
        self._logged.update(subject for subject, fact in taken.items() if isinstance(fact, Logged))

    def _take(self, facts: list[Fact]) -> list[Fact]:
        """In the thread: write them; returns what the database could not take now."""
        close_old_connections()
        try:
            self._write(facts)
        except (OperationalError, InterfaceError) as error:
            logger.warning("%d pieces of evidence wait for the database: %s", len(facts), error)
            let_go_of(error)
            return facts
        except (IntegrityError, DataError, ValueError):
            if len(facts) == 1:
                logger.exception("This evidence cannot be recorded: %s", facts[0])
                return []
            # One of them is not to be written; the others are.
            middle = len(facts) // 2
            return self._take(facts[:middle]) + self._take(facts[middle:])
        return []
