"""How things stand: one reading of the database that the heartbeat, the pages, the command line and the warnings share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from django.conf import settings as django_settings
from django.db.models import Count, F, Max, OuterRef, Q, Subquery

from certificates import host_keys
from certificates.models import Generation, Settings, Switch
from certificates.pki import formats, lifetime
from certificates.pki.lifetime import Due, MakeBecause
from certificates.publishing import Publication, PublishedPair, Store
from pbxcerts.system import clock as clocks
from pbxcerts.system.clock import Clock, ClockVerdict
from pbxcerts.system.models import General

State = Generation.State
AN_HOUR = timedelta(hours=1)


def store() -> Store:
    return Store(django_settings.STORE, group=django_settings.STORE_GROUP)


@dataclass(frozen=True)
class Situation:
    """`generations`: all that are being made, prepared, held, active, or superseded and still with a key."""

    clock: Clock
    settings: Settings
    generations: tuple[Generation, ...]
    switch: Switch | None

    @classmethod
    def load(cls, clock: Clock, *, settings: Settings | None = None) -> Situation:
        """Two or three queries, whatever the number of generations."""
        switch = Switch.objects.filter(running=True).first()
        return cls(
            clock=clock,
            settings=settings or Settings.load(),
            generations=tuple(_living_generations()),
            switch=switch,
        )

    @property
    def general(self) -> General:
        return self.settings.general

    def generation(self, number: int | None) -> Generation | None:
        return next((generation for generation in self.generations if generation.number == number), None)

    def _in(self, *states: State) -> Generation | None:
        return next((generation for generation in self.generations if generation.state in states), None)

    @cached_property
    def active(self) -> Generation | None:
        return self._in(State.ACTIVE)

    @cached_property
    def pending(self) -> Generation | None:
        """The prepared or held pair; there is at most one."""
        return self._in(State.PREPARED, State.HELD)

    @cached_property
    def making(self) -> tuple[Generation, ...]:
        return tuple(generation for generation in self.generations if generation.state == State.MAKING)

    @cached_property
    def served_before(self) -> Generation | None:
        """The pair that the active one took over from, while it may be served again at all."""
        before = self.generation(self.active.took_over_from_id) if self.active else None
        return before if before is not None and before.state == State.SUPERSEDED else None

    # -- validity ----------------------------------------------------------------------------------------------------

    @property
    def active_end(self) -> datetime | None:
        return self.active.end if self.active else None

    def is_valid(self, pair: Generation) -> bool:
        """Valid now, by either clock (DESIGN 3.2)."""
        assert pair.not_before is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert pair.end is not None  # noqa: S101 - the same
        return self.clock.within(pair.not_before, pair.end)

    def has_ended(self, pair: Generation) -> bool:
        assert pair.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
        return self.clock.has_passed(pair.end, active_end=self.active_end)

    @property
    def active_is_served(self) -> bool:
        """There is a pair that carries calls now."""
        return self.active is not None and not self.has_ended(self.active)

    # -- what comes next ----------------------------------------------------------------------------------------------

    @cached_property
    def due(self) -> Due | None:
        """When the next pair is due and why; None while one is prepared or held, or none was ever made."""
        if self.active is None or self.pending is not None:
            return None
        assert self.active.made_at is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert self.active.end is not None  # noqa: S101 - the same
        return lifetime.due(
            self.settings.schedule,
            made_at=self.active.made_at,
            end=self.active.end,
            settings_saved_at=self.settings.schedule_saved_at,
            discarded_at=self.active.last_discarded_at,  # type: ignore[attr-defined]
        )

    @property
    def made_because(self) -> MakeBecause | None:
        """Why an automatic generation is to be made now, clock and failures left aside; None where none is."""
        if self.due is None or self.active is None:
            return None
        assert self.active.not_before is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert self.active.end is not None  # noqa: S101 - the same
        because = {
            lifetime.made_now(
                self.settings.schedule,
                now=moment,
                due=self.due,
                not_before=self.active.not_before,
                end=self.active.end,
                overlap_made_with=self.active.overlap,
            )
            for moment in self._moments
        }
        # By both clocks: one that runs ahead makes nothing due, one that runs behind keeps nothing from being made
        # when two servers decide alone.
        return None if None in because else because.pop()

    @property
    def _moments(self) -> set[datetime]:
        """The clocks that have to agree on what has passed."""
        clock, end = self.clock, self.active_end
        if clock.agreed and end is not None and clock.corrected >= end - clocks.SERVERS_DECIDE:
            return {clock.corrected}
        return {clock.best, clock.now} if abs(clock.best - clock.now) > clocks.WRONG_ABOVE else {clock.now}

    @property
    def failures(self) -> int:
        """How often in a row an automatic generation for this slot has failed."""
        return (self.active.slot_failures or 0) if self.active else 0  # type: ignore[attr-defined]

    @property
    def may_retry(self) -> bool:
        """Not within the pause after a failed attempt (1 minute, then 10)."""
        failed_at = self.active.slot_failed_at if self.active else None  # type: ignore[attr-defined]
        if not self.failures or failed_at is None or failed_at > self.clock.now:
            return True
        return self.clock.now >= lifetime.retry_at(failed_at, self.failures)

    @property
    def next_at(self) -> datetime | None:
        """When the next automatic generation will be tried."""
        if self.due is None or self.active is None:
            return None
        assert self.active.not_before is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert self.active.end is not None  # noqa: S101 - the same
        return lifetime.next_time(
            self.settings.schedule,
            now=self.clock.now,
            due=self.due,
            not_before=self.active.not_before,
            end=self.active.end,
            overlap_made_with=self.active.overlap,
        )

    @property
    def missed(self) -> datetime | None:
        """The newest T at which a pair should have been made and was not; it waits for the next."""
        if self.due is None:
            return None
        return lifetime.missed_slot(self.settings.schedule, now=self.clock.best, due=self.due)

    @property
    def last_chance(self) -> datetime | None:
        if self.active is None or self.active.end is None:
            return None
        return lifetime.last_chance(end=self.active.end, overlap_made_with=self.active.overlap)

    @property
    def clock_verdict(self) -> ClockVerdict:
        """What the clock says to an automatic generation now."""
        return clocks.automatic(self.clock, last_chance=self.last_chance, active_end=self.active_end)

    # -- what is published --------------------------------------------------------------------------------------------

    @cached_property
    def in_bundle(self) -> tuple[Generation, ...]:
        """Whose certificates terminals are to trust: prepared or held, active, and the pair served before."""
        pairs: list[Generation] = []
        if self.pending is not None and not self.has_ended(self.pending):
            pairs.append(self.pending)
        if self.active is not None:
            pairs.append(self.active)
        before = self.served_before
        if (
            before is not None
            and before.leaves_bundle_at is not None
            and not self.clock.has_passed(before.leaves_bundle_at, active_end=self.active_end)
        ):
            pairs.append(before)
        return tuple(pairs)

    @property
    def trusted_roots(self) -> frozenset[str]:
        return frozenset(pair.root_sha256 for pair in self.in_bundle)

    @property
    def bundle(self) -> tuple[x509.Certificate, ...]:
        return tuple(formats.trust_bundle((pair.root, pair.host) for pair in self.in_bundle))

    @property
    def keyed(self) -> tuple[Generation, ...]:
        """The pairs whose host key is to be kept: those that have not ended, and the one that is served."""
        return tuple(
            pair
            for pair in self.generations
            if pair.is_pair
            and pair.host_key is not None
            and (
                pair == self.active
                or (pair.state in {State.PREPARED, State.HELD, State.SUPERSEDED} and not self.has_ended(pair))
            )
        )

    def publication(self) -> Publication:
        """What belongs on the file system now. Raises HostKeyError."""
        return Publication(
            pairs=tuple(
                PublishedPair(pair.number, pair.root, pair.host, host_keys.decrypt(pair.host_key))
                for pair in self.keyed
                if pair.host_key is not None
            ),
            current=self.active.number if self.active else None,
            next=self.pending.number if self.pending else None,
            bundle=self.bundle,
        )

    def with_clock(self, clock: Clock) -> Situation:
        return replace(self, clock=clock)


def _living_generations() -> Iterable[Generation]:
    """One query. Its annotations are about the slot of a successor: failed attempts, and the newest that was discarded."""
    automatic = [Generation.Trigger.SCHEDULE, Generation.Trigger.WITHDRAWAL]
    successors = Generation.objects.order_by().filter(replaces=OuterRef("number")).values("replaces")
    failed = successors.filter(state=State.FAILED, trigger__in=automatic)
    return (
        Generation.objects.filter(
            Q(state__in=[State.MAKING, State.PREPARED, State.HELD, State.ACTIVE]) | Q(host_key__isnull=False)
        )
        .annotate(
            slot_failures=Subquery(failed.annotate(count=Count("pk")).values("count")),
            slot_failed_at=Subquery(failed.annotate(last=Max("failed_at")).values("last")),
            last_discarded_at=Subquery(successors.annotate(last=Max("discarded_at")).values("last")),
        )
        .order_by(F("number").desc())
    )
