"""Years of heartbeats through the real use cases, with a real file system: what must hold after every single one.

The heartbeat comes at second :00 while the machine is on; a simulation goes from one minute at which there may be something
to do to the next, and to some at which there is nothing.
"""

from __future__ import annotations

import random
import time as machine_time
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from cryptography.fernet import Fernet

from certificates.communication_server.store import KEY_FILES
from certificates.models import Generation, Switch, Transition
from certificates.pki.handover_times import switch_retry_at
from certificates.pki.keys import SecretPem, load_host_key
from certificates.renewal import orders
from certificates.renewal.orders import PairOrderRefused
from certificates.renewal.situation import Situation
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import EventMessage
from pbxcerts.system.time.clock import ClockState
from pbxcerts.system.time.ntp import NtpAnswer, NtpFailure, NtpFault, NtpSurvey
from pbxcerts.system.time.timekeeping import current_clock
from tests.support.generations import DAY, HOUR, MINUTE, SECOND, START, Trigger, World, a_world

pytestmark = pytest.mark.simulation


ZONES = ["Europe/Zurich", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "UTC"]


def full_minute(moment: datetime) -> datetime:
    return moment + timedelta(seconds=-moment.second % 60, microseconds=-moment.microsecond)


@dataclass
class Life:
    """One installation through the years. `chance` decides what goes wrong; the same seed, the same life."""

    world: World
    chance: random.Random
    mishaps: bool = True
    doubt: dict = field(default_factory=dict)
    doubt_until: datetime = START
    on_since: datetime | None = None
    in_bundle: set = field(default_factory=set)
    orders: int = 0

    def live(self, until: datetime) -> None:
        self.world.generate()
        self.check()
        while self.world.now < until:
            self.sleep()
            if self.mishaps:
                self.something_happens()
            self.beat()

    # -- what happens ------------------------------------------------------------------------------------------------

    def sleep(self) -> None:
        """To the next minute at which there is something to do, or to one before that at which there is nothing."""
        world = self.world
        at = full_minute(min(self.instants(), default=world.now + 30 * DAY))
        at = max(at, world.now + MINUTE)
        if self.chance.random() < 0.3:
            at = min(at, world.now + self.chance.randrange(1, 20 * 1440) * MINUTE)
        if self.doubt and at >= self.doubt_until:
            at = max(self.doubt_until, world.now + MINUTE)
        world.at(at)
        self.on_since = None

    def instants(self):
        situation = Situation.load(self.world.clock(**self.doubt))
        active, pending = situation.active, situation.pending
        if pending is None:
            if situation.clock_allows:
                yield situation.next_at
            else:
                yield situation.settings.schedule.first_from(self.world.now + timedelta.resolution)
                yield from (at for at in (situation.last_chance, active.end - DAY) if at > self.world.now)
        else:
            yield active.end
            if pending.deadline is not None:
                yield pending.deadline
            if pending.held_because == "switch_failed":
                yield switch_retry_at(
                    situation.settings.schedule,
                    failed_at=pending.switch_failed_at,
                    failures=pending.switch_failures,
                    active_end=active.end,
                )

    def something_happens(self) -> None:
        world, chance = self.world, self.chance
        if self.doubt and world.now >= self.doubt_until:
            self.doubt = {}
        dice = chance.random()
        if dice < 0.03:
            world.after(chance.randrange(1, 60 * 1440) * MINUTE)  # the machine was off
            self.on_since = world.now
        elif dice < 0.08:
            self.change_settings()
        elif dice < 0.14:
            self.a_person_acts()
        elif dice < 0.18:
            world.refuse_to_reload()
        elif dice < 0.30:
            world.reload_again()
        elif dice < 0.32:
            self.a_key_is_lost()
        elif dice < 0.38 and not self.doubt:
            self.doubt = chance.choice(
                [
                    {"state": ClockState.OFF},
                    {"state": ClockState.UNANSWERED},
                    {"offset": chance.choice([-1, 1]) * chance.randrange(6, 40000) * SECOND},
                    {"offset": chance.choice([-1, 1]) * 400 * DAY, "agreed": True},
                ]
            )
            self.doubt_until = world.now + chance.randrange(1, 90 * 1440) * MINUTE

    def a_key_is_lost(self) -> None:
        """Of a pair that is not served: its seal is none that the key list opens; its file may be gone too."""
        pair = self.world.pending
        if pair is None:
            return
        Generation.objects.filter(number=pair.number).update(host_key=Fernet(Fernet.generate_key()).encrypt(b"lost"))
        if self.chance.random() < 0.5:
            for name in KEY_FILES:
                self.world.published(f"generations/{pair.number:04d}/{name}").unlink(missing_ok=True)
        self.orders += 1

    def change_settings(self) -> None:
        interval = self.chance.choice([1, 2, 7, 30, 90, 365])
        self.world.set(
            interval_days=interval,
            overlap_days=self.chance.choice([0, 1, min(interval, 7), min(interval, 30)]) if interval > 1 else 1,
            generation_time=time(self.chance.randrange(24), self.chance.choice([0, 30])),
            time_zone=self.chance.choice(ZONES),
        )
        self.orders += 1

    def a_person_acts(self) -> None:
        world = self.world
        clock = world.clock(**self.doubt)
        newest = max(world.states)
        try:
            self.chance.choice(
                [
                    lambda: orders.order_generation(
                        clock,
                        orders.GenerationOrder(
                            trigger=Trigger.PAGE, reason="trial", without_clock=True, at_once=self.chance.random() < 0.5
                        ),
                    ),
                    lambda: orders.roll_back(clock, by="otto"),
                    lambda: orders.discard(clock, by="otto"),
                    lambda: orders.activate(clock, by="otto"),
                    lambda: orders.move_deadline(clock, clock.best + self.chance.randrange(1, 15) * DAY, by="otto"),
                    lambda: orders.withdraw(
                        clock, self.chance.randint(1, newest), by="anna", reason="trial", without_clock=True
                    ),
                ]
            )()
            self.orders += 1
        except PairOrderRefused:
            pass

    # -- what must hold ----------------------------------------------------------------------------------------------

    def beat(self) -> None:
        world = self.world
        was_on = self.on_since is None
        if was_on:
            assert world.now <= world.active.end, "the machine was on and let the active pair end"
        for _ in range(3):
            before = self.in_bundle
            outcome = world.beat(world.clock(**self.doubt))
            assert outcome.publish_failure == ""
            self.check(before)
            if not outcome.did:
                break
        else:
            raise AssertionError("there was still something to do")
        rows = Transition.objects.count(), Switch.objects.count()
        assert not world.beat(world.clock(**self.doubt)).did
        assert (Transition.objects.count(), Switch.objects.count()) == rows

    def check(self, in_bundle_before: set | None = None) -> None:
        world = self.world
        active, store = world.active, world.store
        assert active.not_before <= world.now < active.end
        assert Generation.objects.filter(state__in=["prepared", "held"]).count() <= 1
        assert not Generation.objects.filter(state="making").exists()
        assert not Switch.objects.filter(running=True).exists()

        assert store.current == active.number
        served = load_host_key(SecretPem(world.published("current/host.key").read_bytes()))
        assert served.public_key() == active.host.public_key()
        assert world.published("current/fullchain.pem").read_text() == active.host_pem + active.root_pem

        bundle = world.published("trust.pem").read_text()
        self.in_bundle = {active.number}
        assert active.root_pem in bundle
        if (pending := world.pending) is not None:
            assert store.target("next") == f"generations/{pending.number:04d}"
            assert pending.root_pem in bundle
            self.in_bundle.add(pending.number)
        newest = Switch.objects.first()
        if in_bundle_before is not None and newest.why in {"confirmed", "deadline", "person", "retry"}:
            assert active.number in in_bundle_before
        assert Generation.objects.count() < 20 + 3 * self.orders + self.due_so_often()

    def due_so_often(self) -> float:
        """More generations than one for each day since the start would be a loop, whatever was set."""
        return (self.world.now - START) / (DAY if self.orders else timedelta(days=self.world.active.interval_days))


LIVES = [
    (1, 0, "Europe/Zurich", 12),
    (365, 30, "Europe/Zurich", 5 * 365),
    (3650, 90, "UTC", 20 * 365),
]
MORE_LIVES = [
    (1, 0, "Europe/Zurich", 100),
    (365, 30, "Europe/Zurich", 20 * 365),
    (3650, 90, "UTC", 50 * 365),
    (1, 1, "America/Santiago", 200),
    (2, 2, "Australia/Lord_Howe", 400),
    (7, 0, "Africa/Casablanca", 2000),
    (7, 7, "Europe/Zurich", 1500),
    (30, 7, "Pacific/Apia", 3000),
]


@pytest.mark.parametrize(
    ("interval", "overlap", "zone", "days"),
    [*LIVES, *(pytest.param(*life, marks=pytest.mark.long) for life in MORE_LIVES)],
)
def test_left_alone_it_renews_itself_for_years(db, key_file, tmp_path, interval, overlap, zone, days):
    world = a_world(tmp_path / "store", interval_days=interval, overlap_days=overlap, time_zone=zone)
    life = Life(world, random.Random(interval), mishaps=False)
    life.live(START + days * DAY)

    made = Generation.objects.count()
    assert abs(made - 1 - days / interval) <= 1 + days / interval / 20
    assert set(Generation.objects.exclude(number=1).values_list("because", flat=True)) == {"slot"}
    assert not Generation.objects.filter(state__in=["failed", "discarded"]).exists()
    for earlier, later in zip(*[list(Generation.objects.order_by("number"))[n:] for n in (0, 1)], strict=False):
        assert abs(later.made_at - earlier.made_at - interval * DAY) < 13 * HOUR


@pytest.mark.parametrize("seed", [0, 3, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 40))])
def test_whatever_happens_the_server_presents_a_valid_pair(db, key_file, tmp_path, seed):
    chance = random.Random(seed)
    world = a_world(tmp_path / "store")
    life = Life(world, chance)
    life.change_settings()
    life.live(START + 400 * DAY)
    assert Generation.objects.count() > 1


# -- by the heartbeat itself -------------------------------------------------------------------------------------------


@dataclass
class Network:
    """NTP servers that a test silences."""

    answers: bool = True

    def ask(self, servers):
        return NtpSurvey(
            tuple(
                NtpAnswer(name, f"192.0.2.{n}", timedelta(), timedelta(), 2, 0)
                if self.answers
                else NtpFailure(name, NtpFault.TIMEOUT)
                for n, name in enumerate(servers, start=1)
            )
        )


def boottime_of(start):
    """CLOCK_BOOTTIME of a machine that was started before `start`, which time-machine leaves where it really is."""
    return lambda clock: 5000 + machine_time.time() - start.timestamp()


@pytest.mark.parametrize("years", [1, pytest.param(4, marks=pytest.mark.long)])
def test_years_of_the_heartbeat_with_its_own_clock_and_messages(db, key_file, tmp_path, monkeypatch, years):
    monkeypatch.setattr(machine_time, "clock_gettime", boottime_of(START))
    world = a_world(tmp_path / "store", interval_days=90, overlap_days=20)
    network, chance = Network(), random.Random(1)
    with time_machine.travel(START, tick=False) as traveller:
        beat(server=world.server, ask=network.ask)
        orders.order_generation(current_clock(), orders.GenerationOrder(Trigger.PAGE))
        while datetime.now(UTC) < START + years * 365 * DAY:
            beat(server=world.server, ask=network.ask)
            situation = Situation.load(current_clock())
            now = datetime.now(UTC)
            assert situation.active.not_before <= now < situation.active.end
            assert world.store.current == situation.active.number
            at = full_minute(situation.pending.deadline if situation.pending else situation.next_at)
            at = min(max(at, now + MINUTE), now + chance.randrange(1, 10 * 1440) * MINUTE)
            network.answers = chance.random() < 0.9
            traveller.move_to(at)
    assert 4 * years <= Generation.objects.count() <= 5 * years + 1
    assert set(Switch.objects.values_list("why", flat=True)) == {"at_once", "deadline"}
    kinds = set(EventMessage.objects.values_list("kind", flat=True))
    assert "handover_waits_alone" in kinds
    assert not kinds & {"pair_ended", "publish_failed", "files_differ", "generation_failed", "switch_unproved"}
