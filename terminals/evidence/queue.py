"""Evidence on its way from the event loop to the database: queued, and written in batches by a thread.

What says the same of the same terminal, from the same address, replaces what waits, so that the queue holds little more than the
list of terminals does (rule evidence-queue).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, close_old_connections, connections

from pbxcerts.system.database.database_lock import let_go_of
from pbxcerts.system.network.one_address import source_of
from pbxcerts.system.outage import Outage
from terminals.evidence.discovery import AT_MOST, OF_ONE_ADDRESS
from terminals.evidence.facts import (
    Fact,
    FetchedConfiguration,
    FetchedTrust,
    LoggedEvent,
    OfTerminal,
    Reported,
    UnknownPhone,
    subject_of,
)
from terminals.evidence.journal import Journal
from terminals.evidence.recording import write_facts

QUIET = 0.03
"""Seconds in which nothing has come: the crowd that came is answered, and now is the time to write."""
LONGEST_WAIT = 2.5
"""Seconds that evidence waits while phones keep coming: they are answered first. With the pauses for others it is less than a
rollout waits for free places (`terminals.rollout.rounds`).
"""
TOGETHER = 500
"""Facts in one transaction. After it the database is free for as long, for whoever else wants to write."""
LONGEST_PAUSE = 0.3
PAUSE_FOR_OTHERS, PAUSES_FOR_OTHERS = 0.1, 10
AGAIN_AFTER = 1.0
LIMIT = 200_000
"""Facts that may wait while the database takes none. Above it what comes is dropped: that phone is asked again."""

logger = logging.getLogger("pbxcerts.web")


class EvidenceQueue:
    """The queue. `add` is called in the event loop; `run` is a task there until `close` has written the rest.

    While `others_first` is true it waits a little longer: a large batch holds the interpreter that a page needs too. `afterwards`
    is called, in the thread, when some hundred are written. What waits stands in the `journal` as well; what that still holds of a
    process before is written first.
    """

    def __init__(
        self,
        write: Callable[[Collection[Fact]], None] = write_facts,
        *,
        others_first: Callable[[], bool] = lambda: False,
        afterwards: Callable[[], None] = lambda: None,
        journal: Journal | None = None,
    ) -> None:
        self._write = write
        self._others_first = others_first
        self._afterwards = afterwards
        self._waiting: dict[Hashable, Fact] = {}
        self._unknown: Counter[str] = Counter()
        self._logged: set[Hashable] = set()
        self._arrived = asyncio.Event()
        self._ending = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "evidence")
        self._outage = Outage(logger, "The database takes evidence again.")
        self._journal = journal
        self._to_journal: list[OfTerminal] = []
        self._came = self._written = self._being_written = 0
        self.dropped = 0
        for fact in journal.left() if journal is not None else ():
            self._waiting[subject_of(fact)] = fact
            self._arrived.set()

    def add(self, fact: Fact) -> None:
        subject = subject_of(fact)
        if subject in self._logged:
            return
        waiting = self._waiting.get(subject)
        if waiting is None:
            if len(self._waiting) >= LIMIT:
                self.dropped += 1
                return
            if isinstance(fact, UnknownPhone) and not self._has_room_for(fact):
                return
        elif isinstance(fact, Reported):
            # Only a report goes before its proof.
            if isinstance(waiting, Reported) and fact.fingerprints == waiting.fingerprints:
                # Said once more: the proof that came in between would seem to have come before the report.
                return
        else:
            # The newest last: the order is that in which things happened.
            del self._waiting[subject]
        if not self._waiting:
            self._arrived.set()
        self._waiting[subject] = fact
        self._came += 1
        if isinstance(fact, (LoggedEvent, UnknownPhone)):
            return
        if isinstance(fact, FetchedTrust):
            # Of one who has taken the trust file too, the configuration says nothing more.
            self._waiting.pop((FetchedConfiguration, fact.terminal, source_of(fact.address)), None)
        if self._journal is not None:
            if not self._to_journal:
                # Once for all that comes in this round of the event loop.
                asyncio.get_running_loop().call_soon(self._write_journal)
            self._to_journal.append(fact)

    def _has_room_for(self, unknown: UnknownPhone) -> bool:
        """MACs cost nothing to make up: no more of them wait than are remembered, in all and of one address (rule discovered)."""
        source = source_of(unknown.address)
        if self._unknown[source] >= OF_ONE_ADDRESS or self._unknown.total() >= AT_MOST:
            return False
        self._unknown[source] += 1
        return True

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

    @property
    def waiting(self) -> int:
        """How many facts wait, those that are just being written included."""
        return len(self._waiting) + self._being_written

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
        """Write what waits; returns whether the database took it."""
        taken, self._waiting = self._waiting, {}
        self._arrived.clear()
        if not taken:
            return True
        self._write_journal()
        written = self._journal.turn() if self._journal is not None else []
        loop = asyncio.get_running_loop()
        self._being_written = len(taken)
        try:
            rest = await loop.run_in_executor(self._thread, self._take, list(taken.values()))
        finally:
            self._being_written = 0
        if rest:
            # What came meanwhile is newer.
            self._waiting = {subject_of(fact): fact for fact in rest} | self._waiting
            self._arrived.set()
        else:
            self._remember(taken)
            if self._journal is not None:
                self._journal.forget(written)
        unknown = [fact for fact in self._waiting.values() if isinstance(fact, UnknownPhone)]
        self._unknown = Counter(source_of(fact.address) for fact in unknown)
        return not rest

    def _remember(self, taken: Mapping[Hashable, Fact]) -> None:
        """Remember which events stand in the log: they need not be looked for there at each further file of a phone."""
        if len(self._logged) >= LIMIT:
            self._logged.clear()
        self._logged.update(subject for subject, fact in taken.items() if isinstance(fact, LoggedEvent))

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
            self._outage.goes_on(error, "%d pieces of evidence wait for the database: %s", len(facts))
            let_go_of(error)
            return facts
        except (IntegrityError, DataError, ValueError):
            if len(facts) == 1:
                logger.exception("This evidence cannot be recorded: %s", facts[0])
                return []
            # One of them is not to be written; the others are.
            middle = len(facts) // 2
            return self._take_together(facts[:middle]) + self._take_together(facts[middle:])
        self._outage.is_over()
        return []
