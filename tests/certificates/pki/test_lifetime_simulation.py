"""Years of renewals by the rules of time alone: no server, no database, nobody who confirms.

The heartbeat comes at second :00 while the machine is on; the simulation goes from one instant at which it has
something to do to the next.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates.pki.handover_times import deadline
from certificates.pki.lifetime import MakeBecause, due, made_now, next_time
from certificates.pki.schedule import PairPlan, Schedule
from tests.certificates.pki.schedules import DAY, HOUR, MINUTE, instants, patient, schedule_of, schedules, utc

pytestmark = pytest.mark.simulation


START = "2024-01-01"


@dataclass
class Pair:
    plan: PairPlan
    overlap: timedelta
    deadline: datetime | None = None


@dataclass
class Machine:
    schedule: Schedule
    now: datetime
    off: list = field(default_factory=list)  # (from, to), in order
    changes: list = field(default_factory=list)  # (instant, schedule), in order
    saved_at: datetime | None = None
    prepared: Pair | None = None
    made: list = field(default_factory=list)  # (instant, why)
    without_calls: list = field(default_factory=list)  # instants at which a heartbeat found the active pair ended

    def __post_init__(self):
        self.active = self.new_pair()

    def new_pair(self):
        return Pair(self.schedule.plan(self.now), self.schedule.overlap)

    def facts(self):
        pair = self.active
        is_due = due(
            self.schedule,
            made_at=pair.plan.made_at,
            end=pair.plan.end,
            settings_saved_at=self.saved_at,
            discarded_at=None,
        )
        return {
            "due": is_due,
            "not_before": pair.plan.not_before,
            "end": pair.plan.end,
            "overlap_made_with": pair.overlap,
        }

    def next_heartbeat_with_something_to_do(self):
        if self.prepared:
            at = max(self.now, min(self.prepared.deadline, self.active.plan.end))
        else:
            at = next_time(self.schedule, now=self.now, **self.facts())
        at += timedelta(seconds=-at.second % 60)
        for start, end in self.off:
            if start <= at < end:
                return end
        return at

    def run(self, until, most=1000):
        for _ in range(most):
            at = self.next_heartbeat_with_something_to_do()
            if self.changes and self.changes[0][0] <= at:
                self.saved_at, self.schedule = self.changes.pop(0)
                self.now = max(self.now, self.saved_at)
                continue
            if at > until:
                return
            self.now = at
            self.beat()
        raise AssertionError("it loops")

    def beat(self):
        if self.now >= self.active.plan.end:
            self.without_calls.append(self.now)
        if self.prepared is None:
            because = made_now(self.schedule, now=self.now, **self.facts())
            if because is None:
                return
            self.made.append((self.now, because))
            self.prepared = self.new_pair()
            self.prepared.deadline = deadline(
                self.schedule, made_at=self.now, active_end=self.active.plan.end, overlap=self.schedule.overlap
            )
        if self.now >= self.prepared.plan.end:
            self.prepared = None
        elif self.now >= min(self.prepared.deadline, self.active.plan.end):
            self.active, self.prepared = self.prepared, None


few = settings(patient, max_examples=settings.default.max_examples // 3)


@few
@given(schedule=schedules(longest_interval=60), start=instants(START, "2030-01-01"))
def test_a_machine_that_is_always_on_never_serves_an_ended_pair_and_makes_each_in_its_night(schedule, start):
    machine = Machine(schedule, start.replace(second=0))
    first = machine.active.plan.planned
    machine.run(start + 12 * schedule.interval + 100 * DAY)

    assert machine.without_calls == []
    assert len(machine.made) >= 12
    for at, because in machine.made:
        assert because is MakeBecause.SLOT
        assert schedule.nearest(at) == at
    for (one, _), (other, _) in pairwise(machine.made):
        assert abs(other - one - schedule.interval) <= 2 * HOUR
    assert machine.made[0][0] == first


def test_a_new_pair_every_day_without_overlap_for_two_years():
    machine = Machine(schedule_of(1, 0), utc("2026-01-01 13:07"))
    machine.run(utc("2028-01-01 12:00"))
    nights = {at.astimezone(machine.schedule.zone).date() for at, _ in machine.made}
    assert len(machine.made) == len(nights) == 729
    assert machine.without_calls == []


@few
@given(
    schedule=schedules(longest_interval=60),
    start=instants(START, "2030-01-01"),
    off=st.lists(st.tuples(st.integers(0, 200 * 1440), st.integers(1, 60 * 1440)), max_size=6),
)
def test_a_machine_that_was_off_serves_an_ended_pair_at_most_until_its_first_heartbeat(schedule, start, off):
    start = start.replace(second=0)
    pauses, at = [], start
    for after, length in off:
        pauses.append((at + after * MINUTE, at + (after + length) * MINUTE))
        at = pauses[-1][1] + MINUTE
    machine = Machine(schedule, start, off=pauses)
    machine.run(start + 400 * DAY)

    assert set(machine.without_calls) <= {back for _, back in pauses}
    for (one, _), (other, because) in pairwise(machine.made):
        assert other - one >= schedule.interval - 13 * HOUR
        if because is MakeBecause.SLOT:
            assert other < schedule.last_until(other) + 2 * HOUR


@few
@given(
    schedule=schedules(longest_interval=60),
    start=instants(START, "2030-01-01"),
    changes=st.lists(st.tuples(st.integers(0, 30 * 1440), schedules(longest_interval=60)), max_size=8),
)
def test_settings_changed_at_any_time_never_cost_a_call_and_never_make_pairs_without_end(schedule, start, changes):
    start = start.replace(second=0)
    saved, at = [], start
    for after, other in changes:
        at += after * MINUTE
        saved.append((at, other))
    machine = Machine(schedule, start, changes=list(saved))
    machine.run(start + 300 * DAY)

    assert machine.without_calls == []
    for (one, _), (other, _) in pairwise(machine.made):
        shortest = min(s.interval for s in [schedule, *(s for _, s in saved)])
        changed = any(one - DAY <= at <= other for at, _ in saved)
        assert changed or other - one >= shortest - 13 * HOUR
