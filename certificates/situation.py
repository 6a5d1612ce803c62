"""How things stand: one reading of the database that the heartbeat, the pages, the command line and the warnings share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property

from cryptography import x509
from django.conf import settings as django_settings
from django.db.models import Exists, Max, Q, Subquery
from django.db.models.functions import Coalesce

from certificates import host_keys
from certificates.host_keys import HostKeyLost
from certificates.models import Generation, Settings, Switch
from certificates.pki import formats, lifetime
from certificates.pki.lifetime import Due, MakeBecause
from certificates.publishing import Publication, PublishedPair, Store
from pbxcerts.system import clock as clocks
from pbxcerts.system.clock import Clock, ClockVerdict
from pbxcerts.system.models import General

State = Generation.State
AUTOMATIC = (Generation.Trigger.SCHEDULE, Generation.Trigger.WITHDRAWAL)
UNMADE = (State.FAILED, State.MAKING)
LIVING = (State.MAKING, State.PREPARED, State.HELD, State.ACTIVE)
AN_HOUR = timedelta(hours=1)
# Two processes read the clock one after the other; what lies further ahead was written by a clock that was wrong then.
STILL_NOW = timedelta(minutes=1)
RETRY_AFTER_WITHDRAWAL = timedelta(minutes=10)


def store() -> Store:
    return Store(django_settings.STORE, group=django_settings.STORE_GROUP)


@dataclass(frozen=True)
class Successors:
    """What became of the attempts to replace the active pair.

    `last`: the state of the last pair that was made for it; `failures` and `failed_at`: how many automatic attempts have
    failed since then, and when the last of them did; `discarded_at`: when that pair was discarded, if it was.
    """

    last: State | None = None
    failures: int = 0
    failed_at: datetime | None = None
    discarded_at: datetime | None = None

    @classmethod
    def of_active(cls, rows: list[Generation]) -> Successors:
        """`rows`: the newest first; among them the active pair, the last successor made and the attempts since."""
        active = next((row.number for row in rows if row.state == State.ACTIVE), None)
        attempts = [row for row in rows if row.replaces == active]
        made = next((row for row in attempts if row.state not in UNMADE), None)
        failed = [
            row
            for row in attempts
            if row.state == State.FAILED and row.trigger in AUTOMATIC and (made is None or row.number > made.number)
        ]
        last = None
        if made is not None:
            # One that was discarded has been replaced by the schedule; that its key leaked too changes nothing.
            last = State.DISCARDED if made.discarded_at is not None else State(made.state)
        return cls(
            last=last,
            failures=len(failed),
            failed_at=max((row.failed_at for row in failed if row.failed_at is not None), default=None),
            discarded_at=made.discarded_at if made is not None else None,
        )


@dataclass(frozen=True)
class Situation:
    """`generations`: all that are being made, prepared, held, active, or superseded and still with a key."""

    clock: Clock
    settings: Settings
    generations: tuple[Generation, ...]
    successors: Successors
    switch: Switch | None

    @classmethod
    def load(cls, clock: Clock, *, settings: Settings | None = None) -> Situation:
        """One to three queries, whatever the number of generations."""
        rows = _rows()
        is_switching = bool(rows) and rows[0].is_switching  # type: ignore[attr-defined]
        switch = Switch.objects.filter(running=True).first() if is_switching else None
        return cls(
            clock=clock,
            settings=settings or Settings.load(),
            generations=tuple(row for row in rows if row.state in LIVING or row.host_key is not None),
            successors=Successors.of_active(rows),
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

    def is_ahead(self, pair: Generation) -> bool:
        """Not valid yet: it was made while the clock was wrong. A clock in doubt says so of every pair once it is set back."""
        assert pair.not_before is not None  # noqa: S101 - the constraint a_pair_has_its_times
        return not self.is_valid(pair) and self.clock.best < pair.not_before and self.clock_allows

    @property
    def active_is_served(self) -> bool:
        """There is a pair that carries calls now."""
        return self.active is not None and not self.has_ended(self.active) and not self.is_ahead(self.active)

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
            settings_saved_at=self._happened(self.settings.schedule_saved_at),
            discarded_at=self._happened(self.successors.discarded_at),
        )

    def _happened(self, at: datetime | None) -> datetime | None:
        """Waiting for the night after an instant that a wrong clock wrote could take years."""
        return at if at is not None and at <= self.clock.best + STILL_NOW else None

    @property
    def is_replaced_at_once(self) -> bool:
        """A pair was withdrawn and nothing has taken its place yet: a new one is made now, whatever the schedule says.

        A clock in doubt need not say when, but one by which not even the active pair is valid makes none that is.
        """
        if self.active is None or not (self.clock_allows or self.is_valid(self.active)):
            return False
        if self.active.withdrawn_at is not None:
            return self.pending is None or not self.is_valid(self.pending)
        return self.pending is None and self.successors.last == State.WITHDRAWN

    @property
    def made_because(self) -> MakeBecause | None:
        """Why an automatic generation is to be made now, veto of the clock and failures left aside; None where none is.

        By the best clock alone: one that runs behind would let a pair with a short overlap end. What a wrong clock must
        not do is for `clock_verdict` to say.
        """
        if self.due is None or self.active is None:
            return None
        assert self.active.not_before is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert self.active.end is not None  # noqa: S101 - the same
        return lifetime.made_now(
            self.settings.schedule,
            now=self.clock.best,
            due=self.due,
            not_before=self.active.not_before,
            end=self.active.end,
            overlap_made_with=self.active.overlap,
        )

    @property
    def failures(self) -> int:
        """How often in a row an automatic generation of a successor has failed."""
        return self.successors.failures

    @property
    def retry_at(self) -> datetime | None:
        """The end of the pause after a failed attempt: 1 minute, then 10; None where there is none."""
        failed_at = self._happened(self.successors.failed_at)
        if failed_at is None or not self.failures:
            return None
        if self.is_replaced_at_once:
            return failed_at + RETRY_AFTER_WITHDRAWAL
        return lifetime.retry_at(failed_at, self.failures)

    @property
    def may_retry(self) -> bool:
        return self.retry_at is None or self.clock.best >= self.retry_at

    @property
    def next_at(self) -> datetime | None:
        """When the next automatic generation will be tried."""
        if self.due is None or self.active is None:
            return None
        assert self.active.not_before is not None  # noqa: S101 - the constraint a_pair_has_its_times
        assert self.active.end is not None  # noqa: S101 - the same
        return lifetime.next_time(
            self.settings.schedule,
            now=max(self.clock.best, self.retry_at or self.clock.best),
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

    @property
    def clock_allows(self) -> bool:
        return self.clock_verdict in {ClockVerdict.DO, ClockVerdict.DO_WITH_EVENT}

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
        """What belongs on the file system now. Raises HostKeyError where the key list cannot be read at all."""
        pairs, lost = [], []
        for pair in self.keyed:
            assert pair.host_key is not None  # noqa: S101 - that is what keyed means
            try:
                pairs.append(PublishedPair(pair.number, pair.root, pair.host, host_keys.decrypt(pair.host_key)))
            except HostKeyLost:
                # It stays as it was published; the others must not wait for it.
                lost.append(pair.number)
        return Publication(
            pairs=tuple(pairs),
            current=self.active.number if self.active else None,
            next=self.pending.number if self.pending in self.keyed else None,
            bundle=self.bundle,
            lost=tuple(lost),
        )

    def with_clock(self, clock: Clock) -> Situation:
        return replace(self, clock=clock)


def _rows() -> list[Generation]:
    """What lives or still has a key, the last pair made to succeed the active one, and the attempts since; the newest first.

    One query, put together once, because that takes longer than to ask it; sorted here, because SQLite would read through
    the whole history to find them in order.
    """
    return sorted(Generation.objects.raw(_query()), key=lambda row: row.number, reverse=True)


@cache
def _query() -> str:
    """Each condition has an index; the key's is a subquery, or SQLite would look at every row."""
    of_any = Generation.objects.order_by().values("number")
    replaces_active = Q(replaces__in=of_any.filter(state=State.ACTIVE))
    made = Generation.objects.order_by().filter(replaces_active).exclude(state__in=UNMADE).values("replaces")
    last_made = Coalesce(Subquery(made.annotate(last=Max("number")).values("last")), 0)
    query = Generation.objects.order_by().filter(
        Q(state__in=LIVING)
        | Q(number__in=of_any.filter(host_key__isnull=False))
        | (replaces_active & Q(number__gte=last_made))
    )
    sql, params = query.annotate(is_switching=Exists(Switch.objects.filter(running=True))).query.sql_with_params()
    # Constants all of them, and written out: where a parameter decides whether a partial index serves, SQLite plans anew
    # each time.
    return sql % tuple(f"'{param}'" if isinstance(param, str) else param for param in params)
