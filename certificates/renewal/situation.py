"""How things stand: one reading of the database that the heartbeat, the pages, the command line and the warnings share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from cryptography import x509
from cryptography.fernet import MultiFernet
from django.conf import settings as django_settings
from django.db.models import Exists, Max, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from certificates.communication_server.mark import StoreMark
from certificates.communication_server.publication import Publication, PublishedPair
from certificates.communication_server.store import Store
from certificates.models import Generation, Settings, Switch, Transition
from certificates.pki import formats, lifetime
from certificates.pki.keys import SecretPem
from certificates.pki.lifetime import Due, MakeBecause
from certificates.pki.succession import Succession
from certificates.renewal.standing import Change, StoreReading, StoreStanding, new_mark
from pbxcerts.system import sealing
from pbxcerts.system.database.prepared import prepared
from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import General
from pbxcerts.system.sealing import SealingError, SealingKeyLost
from pbxcerts.system.time import clock as clocks
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import STILL_NOW, Clock, ClockState, ClockVerdict

T = TypeVar("T")
State = Generation.State
AUTOMATIC_TRIGGERS = (Generation.Trigger.SCHEDULE, Generation.Trigger.WITHDRAWAL)
LIVING = (State.MAKING, *Generation.PENDING, State.ACTIVE)
RETRY_AFTER_WITHDRAWAL = timedelta(minutes=10)


def configured_store() -> Store:
    return Store(django_settings.STORE, group=django_settings.STORE_GROUP)


def read_store() -> StoreReading:
    """What the store says of itself, be it on another machine."""
    publisher = other_machines.publishes_elsewhere()
    store = configured_store()
    return StoreReading.of(store) if publisher is None else StoreReading.elsewhere(store, publisher)


@dataclass(frozen=True)
class Successors:
    """What became of the attempts to replace the active pair.

    `last`: the state of the newest pair that was made to replace it; `failures`: how many automatic attempts have failed
    since, `failed_at`: when, by the clocks of those times; `discarded_at`: when that newest pair was discarded, if
    it was; `override`: what was said of the clock when it was withdrawn.
    """

    last: State | None = None
    failures: int = 0
    failed_at: tuple[datetime, ...] = ()
    discarded_at: datetime | None = None
    override: str = ""

    @classmethod
    def of_active(cls, rows: list[Generation]) -> Successors:
        """`rows`, the newest first, hold the active pair, the last pair made to replace it, and the attempts since."""
        active = next((row.number for row in rows if row.state == State.ACTIVE), None)
        attempts = [row for row in rows if row.replaces == active]
        made = next((row for row in attempts if row.state not in Generation.UNMADE), None)
        failed = [
            row
            for row in attempts
            if row.state == State.FAILED
            and row.trigger in AUTOMATIC_TRIGGERS
            and (made is None or row.number > made.number)
        ]
        last = None
        if made is not None:
            # One that was discarded has been replaced by the schedule; that its key leaked too changes nothing.
            last = State.DISCARDED if made.discarded_at is not None else State(made.state)
        return cls(
            last=last,
            failures=len(failed),
            failed_at=tuple(row.failed_at for row in failed if row.failed_at is not None),
            discarded_at=made.discarded_at if made is not None else None,
            override=made.replacement_override if made is not None else "",
        )


@dataclass(frozen=True)
class Situation:
    """How things stand by one clock. `generations` are those that are being made, prepared, held or active, and
    superseded ones that still have their key; `newest` is the attempt with the highest number, whatever became of it.
    """

    clock: Clock
    settings: Settings
    generations: tuple[Generation, ...]
    successors: Successors
    switch: Switch | None
    store: StoreReading
    standing: StoreStanding
    newest_change: Change
    newest: Generation | None

    @classmethod
    def load(cls, clock: Clock, *, settings: Settings | None = None, store: Store | None = None) -> Situation:
        """Read the situation, in one to three queries whatever the number of generations, and the mark of the store."""
        reading = StoreReading.of(store) if store is not None else read_store()
        rows = _rows()
        is_switching = bool(rows) and rows[0].is_switching  # type: ignore[attr-defined]
        switch = Switch.objects.running().first() if is_switching else None
        newest_change = _newest_change(rows)
        settings = settings or Settings.load()
        return cls(
            clock=clock,
            settings=settings,
            generations=tuple(row for row in rows if row.state in LIVING or row.host_key is not None),
            successors=Successors.of_active(rows),
            switch=switch,
            store=reading,
            standing=reading.standing(settings.general.installation, newest_change),
            newest_change=newest_change,
            newest=rows[0] if rows else None,
        )

    @property
    def general(self) -> General:
        return self.settings.general

    def once(self, read: Callable[[Situation], T]) -> T:
        """What is read beside the situation, by a function of it: once, however many parts of a page want it. Whoever changes the
        database meanwhile asks the function itself.
        """
        if read not in self._read_once:
            self._read_once[read] = read(self)
        found: T = self._read_once[read]
        return found

    @cached_property
    def _read_once(self) -> dict[Callable[[Situation], Any], Any]:
        return {}

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
        return self._in(*Generation.PENDING)

    @cached_property
    def making(self) -> tuple[Generation, ...]:
        return tuple(generation for generation in self.generations if generation.state == State.MAKING)

    @cached_property
    def served_before(self) -> Generation | None:
        """The pair that the active one took over from, while that is *superseded*; None once it is withdrawn."""
        before = self.generation(self.active.took_over_from_id) if self.active else None
        return before if before is not None and before.state == State.SUPERSEDED else None

    # -- validity ----------------------------------------------------------------------------------------------------

    @property
    def active_end(self) -> datetime | None:
        return self.active.plan.end if self.active else None

    def is_valid(self, pair: Generation) -> bool:
        """Whether the pair is valid now, by either clock (rule valid-now)."""
        return self.clock.within(pair.plan.not_before, pair.plan.end)

    def can_be_served(self, pair: Generation) -> bool:
        """Whether the server can be switched to the pair: it is valid now, and its key is there (rules only-valid, key-lost)."""
        return self.is_valid(pair) and pair not in self.lost_pairs

    def has_ended(self, pair: Generation) -> bool:
        return self.clock.has_passed(pair.plan.end, active_end=self.active_end)

    def ended_by_best(self, pair: Generation) -> bool:
        """Whether the pair has ended by the time that counts, be it that the machine's clock still finds it valid."""
        return self.clock.best >= pair.plan.end

    def begins_later(self, pair: Generation) -> bool:
        """Whether the pair is not valid yet by the time that counts."""
        return self.clock.best < pair.plan.not_before

    def is_ahead(self, pair: Generation) -> bool:
        """Whether the pair is not valid yet, because it was made while the clock ran ahead. A clock in doubt proves
        that of no pair: set back far enough, it would say it of every pair.
        """
        return not self.is_valid(pair) and self.begins_later(pair) and self.clock_allows

    @property
    def active_is_served(self) -> bool:
        """Whether there is a pair that carries calls now."""
        return self.active is not None and not self.has_ended(self.active) and not self.is_ahead(self.active)

    # -- what comes next ----------------------------------------------------------------------------------------------

    @cached_property
    def due(self) -> Due | None:
        """When the next pair is due, and why. None while a pair is prepared or held, and before the first one is made."""
        if self.active is None or self.pending is not None:
            return None
        plan = self.active.plan
        return lifetime.due(
            self.settings.schedule,
            made_at=plan.made_at,
            end=plan.end,
            settings_saved_at=self._happened(self.settings.schedule_saved_at),
            discarded_at=self._happened(self.successors.discarded_at),
        )

    def _happened(self, at: datetime | None) -> datetime | None:
        """The instant, unless a wrong clock wrote it (rule written-ahead)."""
        return at if at is not None and at <= self.clock.best + STILL_NOW else None

    @property
    def lacks_replacement(self) -> bool:
        """Whether a pair was withdrawn and no other has taken its place (rule withdraw)."""
        if self.active is None:
            return False
        if self.active.withdrawn_at is not None:
            return self.pending is None or not self.can_be_served(self.pending)
        return self.pending is None and self.successors.last == State.WITHDRAWN

    @property
    def is_replaced_at_once(self) -> bool:
        """Whether a new pair is made now in the place of a withdrawn one, whatever the schedule says (rule withdraw).

        That need not wait for a clock that is right. But by a clock by which not even the active pair is valid, a new
        pair would be no better; and where one server alone calls the clock far off, a person must have confirmed it.
        """
        if self.active is None or not self.lacks_replacement:
            return False
        if not (self.clock_allows or self.is_valid(self.active)):
            return False
        return clocks.replacement(self.clock) is ClockVerdict.DO or bool(self.replacement_override)

    @property
    def replacement_override(self) -> str:
        """Why the replacement of a withdrawn pair is made by a clock that is in dispute; "" where nobody confirmed that."""
        if self.active is not None and self.active.withdrawn_at is not None:
            return self.active.replacement_override
        return self.successors.override

    @property
    def made_because(self) -> MakeBecause | None:
        """Why an automatic generation is to be made now; None where none is. Doubt about the clock and the pause after
        a failure are left aside; it is judged by the best clock (rule which-clock).
        """
        if self.due is None or self.active is None:
            return None
        plan = self.active.plan
        return lifetime.made_now(
            self.settings.schedule,
            now=self.clock.best,
            due=self.due,
            not_before=plan.not_before,
            end=plan.end,
            overlap_made_with=self.active.overlap,
        )

    @property
    def failures(self) -> int:
        """How often in a row an automatic generation of a successor has failed."""
        return self.successors.failures

    @property
    def retry_at(self) -> datetime | None:
        """When the pause after a failed attempt ends (rule generation-retry); None where there is none."""
        # One failure from a time that lies ahead must not hide when those after it were.
        failed_at = max(filter(self._happened, self.successors.failed_at), default=None)
        if failed_at is None:
            return None
        if self.is_replaced_at_once:
            return failed_at + RETRY_AFTER_WITHDRAWAL
        return lifetime.retry_at(failed_at, self.failures)

    @property
    def may_retry(self) -> bool:
        return self.retry_at is None or self.clock.best >= self.retry_at

    @property
    def waits_for_clock(self) -> bool:
        """Whether a pair would be made now by the schedule, were the clock not in doubt."""
        return self.made_because is not None and not self.clock_allows

    @property
    def next_at(self) -> datetime | None:
        """When the next automatic generation will be tried; where the clock is in doubt and stays so, at the last chance. None
        where nothing is due, and where nobody knows when the clock lets it be made.
        """
        now = max(self.clock.best, self.retry_at or self.clock.best)
        if self.lacks_replacement:
            return now if self.is_replaced_at_once else None
        if self.waits_for_clock:
            doubt_ends = self.last_chance
            if doubt_ends is None or doubt_ends <= self.clock.best or self.clock_never_allows:
                return None
            return self._next_time(max(now, doubt_ends))
        return self._next_time(now)

    @property
    def clock_never_allows(self) -> bool:
        """Whether even the last chance makes no pair by the clock as it is now (rules last-chance, dates-by-both)."""
        return self.new_pair_may_have_ended or (self.clock.state is ClockState.FAR_OFF and not self.clock.agreed)

    def _next_time(self, now: datetime) -> datetime | None:
        if self.due is None or self.active is None:
            return None
        plan = self.active.plan
        return lifetime.next_time(
            self.settings.schedule,
            now=now,
            due=self.due,
            not_before=plan.not_before,
            end=plan.end,
            overlap_made_with=self.active.overlap,
        )

    @property
    def missed(self) -> datetime | None:
        """The newest T at which a pair should have been made and was not; it is made at the next one."""
        if self.due is None:
            return None
        return lifetime.missed_slot(self.settings.schedule, now=self.clock.best, due=self.due)

    @property
    def last_chance(self) -> datetime | None:
        if self.active is None:
            return None
        return lifetime.last_chance(end=self.active.plan.end, overlap_made_with=self.active.overlap)

    @property
    def clock_verdict(self) -> ClockVerdict:
        """What the clock says to an automatic generation now."""
        return clocks.automatic(self.clock, last_chance=self.last_chance, active_end=self.active_end)

    @property
    def clock_allows(self) -> bool:
        """Whether the clock lets an automatic generation be made now (rules clock-gate, last-chance, dates-by-both)."""
        return self.clock_verdict in {ClockVerdict.DO, ClockVerdict.DO_WITH_EVENT} and not self.new_pair_may_have_ended

    @property
    def new_pair_may_have_ended(self) -> bool:
        """Whether a pair made now would have ended already by one of the two clocks (rule dates-by-both)."""
        return self.clock.may_have_passed(self.settings.schedule.plan(self.clock.best).end)

    # -- what is published --------------------------------------------------------------------------------------------

    @cached_property
    def in_bundle(self) -> tuple[Generation, ...]:
        """The pairs whose certificates terminals are to trust (rules make-before-break, superseded)."""
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
    def succession(self) -> Succession | None:
        """Which root is served and which is to be served next; None before the first pair is (rule succession)."""
        if self.active is None:
            return None
        pending = self.pending
        following = (pending.root_sha256,) if pending is not None and pending in self.in_bundle else ()
        return Succession(number=self.newest_change.number, served=self.active.root_sha256, next=following)

    @property
    def bundle(self) -> tuple[x509.Certificate, ...]:
        return tuple(formats.trust_bundle((pair.root, pair.host) for pair in self.in_bundle))

    @property
    def kept_keys(self) -> dict[Generation, bytes]:
        """The pairs whose host key is to be kept, each with that key as it is stored (rule key-deleted)."""
        return {
            pair: bytes(pair.host_key)
            for pair in self.generations
            if pair.host_key is not None
            and (
                pair == self.active
                or (pair.state in {State.PREPARED, State.HELD, State.SUPERSEDED} and not self.has_ended(pair))
            )
        }

    @cached_property
    def lost_pairs(self) -> tuple[Generation, ...]:
        """The pairs whose host key no key of the list decrypts. While the list can't be read at all nothing is known of it."""
        try:
            keys = sealing.key_list() if self.kept_keys else None
        except SealingError:
            return ()
        return tuple(pair for pair, encrypted in self.kept_keys.items() if not _is_decrypted(encrypted, keys))

    def publication(self) -> Publication:
        """What belongs on the file system now. Raises SealingError where the list of keys cannot be read at all."""
        kept = self.kept_keys
        keys = sealing.key_list() if kept else None
        pairs, lost = [], []
        for pair, encrypted in kept.items():
            try:
                pairs.append(
                    PublishedPair(pair.number, pair.root, pair.host, SecretPem(sealing.unseal(encrypted, keys)))
                )
            except SealingKeyLost:
                # It stays as it was published; the others must not wait for it.
                lost.append(pair.number)
        return replace(self._wanted(), pairs=tuple(pairs), lost=tuple(lost))

    def _wanted(self) -> Publication:
        """What belongs on the file system now, without the files of the pairs, whose keys not everybody needs to read."""
        return Publication(
            pairs=(),
            current=self.active.number if self.active else None,
            next=self.pending.number if self.pending in self.kept_keys else None,
            bundle=self.bundle,
        )

    @property
    def is_marked(self) -> bool:
        """Whether the store says that it shows the newest change, and what belongs there now (rule store-mark)."""
        mark = self.store.mark
        return (
            mark is not None
            and mark.links == self._wanted().links
            # A version that did not write them has marked it.
            and (bool(mark.ranks) or not self.in_bundle or self.store.told is not None)
            and self.store.is_marked(self.general.installation, self.newest_change)
        )

    @property
    def is_published(self) -> bool:
        """Whether the store says that nothing is left to be published."""
        return self.is_marked or not self._wanted().links

    @property
    def not_yet_shown(self) -> frozenset[str]:
        """The files that may differ because what belongs there has changed since the last publishing (rule not-yet-published)."""
        mark = self.store.mark
        return mark.not_yet_shown(self._wanted()) if mark is not None else frozenset()

    def new_mark(self) -> StoreMark:
        """What the store is to say when it is published to now (rule store-mark)."""
        pairs = frozenset(pair.host_sha256 for pair in (self.active, self.pending) if pair is not None)
        handed_out = {pair.host_sha256: pair.number for pair in self.in_bundle}
        return new_mark(self.general.installation, self.store, self.clock.best, pairs, handed_out)

    def with_clock(self, clock: Clock) -> Situation:
        return replace(self, clock=clock)


def _is_decrypted(encrypted: bytes, keys: MultiFernet | None) -> bool:
    try:
        sealing.unseal(encrypted, keys)
    except SealingKeyLost:
        return False
    return True


def load_situation() -> Situation:
    """How things stand by the clock as it is now; asks no time server."""
    settings = Settings.load()
    return Situation.load(timekeeping.current_clock(general=settings.general), settings=settings)


def _rows() -> list[Generation]:
    """The generations that a situation needs, the newest first: those that live or still have a key, the last pair made
    to replace the active one, the attempts since, and the newest attempt of all.

    The rows are sorted here, because SQLite would read through the whole history to find them in order.
    """
    return sorted(_living_and_newest(), key=lambda row: row.number, reverse=True)


def _newest_change(rows: list[Generation]) -> Change:
    if not rows:
        return Change.newest()
    return Change.of((rows[0].change, rows[0].changed_at))  # type: ignore[attr-defined]


@prepared
def _living_and_newest() -> QuerySet[Generation]:
    """Each condition has an index; the key's is a subquery, or SQLite would look at every row."""
    has_key = Q(number__in=Generation.objects.filter(host_key__isnull=False).values("number"))
    replaces_active = Q(replaces__in=Generation.objects.active().values("number"))
    successors = Generation.objects.made().filter(replaces_active).order_by().values("replaces")
    last_made = Coalesce(Subquery(successors.annotate(last=Max("number")).values("last")), 0)
    is_last = Q(number__in=Generation.objects.order_by("-number").values("number")[:1])
    since = replaces_active & Q(number__gte=last_made)
    found = Generation.objects.filter(Q(state__in=LIVING) | has_key | since | is_last)
    newest = Transition.objects.order_by("-pk")
    return found.order_by().annotate(
        is_switching=Exists(Switch.objects.running()),
        change=Subquery(newest.values("pk")[:1]),
        changed_at=Subquery(newest.values("at")[:1]),
    )
