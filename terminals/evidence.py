"""Evidence on its way from the event loop to the database: queued, and written in batches by a thread.

What says the same of the same terminal replaces what waits, so that the queue never holds more than the list of terminals
does. What the database does not take waits for the next time; on a clean end the queue is written first.
"""

from __future__ import annotations

import asyncio
import logging
import time
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
from terminals.batches import execute, inserts, updates
from terminals.evidence_journal import Journal
from terminals.installations import FetchedConfiguration, FetchedTrust, Proved, Reported, Seen
from terminals.models import Discovered

QUIET = 0.03
"""Seconds in which nothing has come: the crowd that came is answered, and now is the time to write."""
LONGEST_WAIT = 2.5
"""Seconds that evidence waits while phones keep coming: they are answered first. With the pauses for others it is less than a
rollout waits for free places (`terminals.rollout`).
"""
TOGETHER = 500
"""Facts in one transaction. After it the database is free for as long, for whoever else wants to write."""
LONGEST_PAUSE = 0.3
PAUSE_FOR_OTHERS, PAUSES_FOR_OTHERS = 0.1, 10
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
    """One kind after the other, each in a transaction of its own; to write a fact twice changes nothing."""
    for kind, record in RECORDS:
        if seen := [fact for fact in facts if isinstance(fact, kind)]:
            record(seen)
    log([fact for fact in facts if isinstance(fact, Logged)])
    # The last, because it counts: where one of the others fails, all of them come again.
    if unknown := [fact for fact in facts if isinstance(fact, Unknown)]:
        _discovered(unknown)


# In the order in which a phone does these things.
RECORDS: list[tuple[type[Seen], Callable[[Sequence[Any]], None]]] = [
    (FetchedConfiguration, installations.fetched_configuration),
    (FetchedTrust, installations.fetched_trust),
    (Reported, installations.reported),
    (Proved, installations.proved),
]


@transaction.atomic
def _discovered(unknown: Sequence[Unknown]) -> None:
    """At most a thousand rows in all and twenty new ones at a time: a MAC is easily made up."""
    by_mac = {one.mac: one for one in unknown}
    known = set(Discovered.objects.filter(mac__in=by_mac).values_list("mac", flat=True))
    again = [one for one in by_mac.values() if one.mac in known]
    if again:
        rows = [{"mac": one.mac, "address": one.address, "last_seen": one.at} for one in again]
        execute(updates(Discovered, rows, match=["mac"], also={"requests": "t.requests + 1"}))
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
    execute(inserts(EventMessage, rows, known_by=["kind", "subject"]))


class Evidence:
    """The queue. `add` is called in the event loop; `run` is a task there until `close` has written the rest.

    While `others_first` is true it waits a little longer: a large batch holds the interpreter that a page needs too. `afterwards`
    is called, in the thread, when some hundred are written. What waits stands in the `journal` as well; what that still holds of a
    process before is written first.
    """

    def __init__(
        self,
        write: Callable[[Collection[Fact]], None] = write,
        *,
        others_first: Callable[[], bool] = lambda: False,
        afterwards: Callable[[], None] = lambda: None,
        journal: Journal | None = None,
    ) -> None:
        self._write = write
        self._others_first = others_first
        self._afterwards = afterwards
        self._waiting: dict[Hashable, Fact] = {}
        self._logged: set[Hashable] = set()
        self._arrived = asyncio.Event()
        self._ending = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "evidence")
        self._journal = journal
        self._to_journal: list[Seen] = []
        self._came = self._written = 0
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
        if not isinstance(fact, Reported):
            # The newest last: the order is that in which things happened. Only a report goes before its proof.
            self._waiting.pop(subject, None)
        self._waiting[subject] = fact
        if isinstance(fact, FetchedTrust):
            # Of a phone that has taken its trust file too, the configuration says nothing more.
            self._waiting.pop((FetchedConfiguration, fact.terminal), None)
        self._came += 1
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
        """Write what arrives when nothing more does for a moment; the rest when `close` is called."""
        try:
            while not self._ending.is_set():
                await self._arrived.wait()
                await self._until_quiet()
                for _ in range(PAUSES_FOR_OTHERS):
                    if self._others_first():
                        await self._pause(PAUSE_FOR_OTHERS)
                if not await self._flush():
                    await self._pause(AGAIN_AFTER)
            while self._waiting and not await self._flush():
                await asyncio.sleep(AGAIN_AFTER)
        finally:
            self._thread.submit(connections.close_all)
            self._thread.shutdown(wait=False)

    async def _until_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_WAIT
        came = -1
        while came != self._came and loop.time() < until:
            came = self._came
            await self._pause(QUIET)

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
        """In the thread: write them, some at a time; returns what the database could not take now."""
        close_old_connections()
        took = 0.0
        for start in range(0, len(facts), TOGETHER):
            time.sleep(min(took, LONGEST_PAUSE))
            began = time.monotonic()
            if rest := self._take_together(facts[start : start + TOGETHER]):
                return rest + facts[start + TOGETHER :]
            took = time.monotonic() - began
        self._written += len(facts)
        if self._written >= TOGETHER:
            self._written = 0
            self._afterwards()
        return []

    def _take_together(self, facts: list[Fact]) -> list[Fact]:
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
            return self._take_together(facts[:middle]) + self._take_together(facts[middle:])
        return []
