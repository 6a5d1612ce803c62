"""When the successor of a pair is made, tried again, and warned of
(rules two-hours, last-hours, generation-retry, last-chance, warning-steps).
"""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.pki.lifetime import (
    Due,
    DueBecause,
    MakeBecause,
    due,
    ends_in_step,
    last_chance,
    last_hours,
    made_now,
    missed_slot,
    next_time,
    retry_at,
)
from tests.certificates.pki.schedules import DAY, HOUR, MINUTE, instants, local, patient, schedule_of, schedules, utc

SECOND = timedelta(seconds=1)


def facts_of(pair, today, made_with, *, saved=None):
    is_due = due(today, made_at=pair.made_at, end=pair.end, settings_saved_at=saved, discarded_at=None)
    return {"due": is_due, "not_before": pair.not_before, "end": pair.end, "overlap_made_with": made_with.overlap}


@pytest.fixture
def night():
    """A pair of 30 + 30 days that is due on 31 July 2026 at 02:00 in Zurich."""
    schedule = schedule_of(30, 30)
    pair = schedule.plan(utc("2026-07-01 00:00"))
    assert pair.planned == utc("2026-07-31 00:00")
    return schedule, pair, facts_of(pair, schedule, schedule)


@pytest.mark.parametrize(
    ("after", "because"),
    [
        (-SECOND, None),
        (timedelta(0), MakeBecause.SLOT),
        (20 * SECOND, MakeBecause.SLOT),  # a heartbeat is never exactly in time
        (2 * HOUR - SECOND, MakeBecause.SLOT),
        (2 * HOUR, None),
        (DAY - SECOND, None),
        (DAY, MakeBecause.SLOT),
        (DAY + 2 * HOUR, None),
        (29 * DAY - SECOND, None),
        (29 * DAY + 12 * HOUR, MakeBecause.LAST_HOURS),
        (30 * DAY - SECOND, MakeBecause.LAST_HOURS),
        (30 * DAY, MakeBecause.ENDED),
        (300 * DAY, MakeBecause.ENDED),
        (-31 * DAY, None),
        (-31 * DAY - SECOND, MakeBecause.NOT_YET_VALID),
    ],
)
def test_it_is_made_in_the_two_hours_after_a_time_of_day_and_at_any_hour_when_it_becomes_urgent(night, after, because):
    schedule, pair, facts = night
    assert made_now(schedule, now=pair.planned + after, **facts) is because


def test_a_pair_with_little_left_is_replaced_before_it_is_due(night):
    schedule, pair, facts = night
    saved = pair.end - 3 * HOUR
    facts["due"] = Due(schedule.first_from(saved), DueBecause.SETTINGS_CHANGED)
    assert facts["due"].at >= pair.end - 3 * HOUR
    assert made_now(schedule, now=saved, **facts) is MakeBecause.LAST_HOURS


@patient
@given(schedule=schedules(), made_at=instants())
def test_the_last_hours_never_begin_before_the_planned_time(schedule, made_at):
    pair = schedule.plan(made_at)
    assert pair.end - last_hours(schedule.overlap) >= pair.planned


@pytest.mark.parametrize(("overlap", "hours"), [(0, 1), (1, 12), (2, 24), (30, 24), (90, 24)])
def test_the_last_hours_are_half_of_the_overlap_between_1_and_24(overlap, hours):
    assert last_hours(overlap * DAY) == hours * HOUR


@pytest.mark.parametrize(("overlap", "hours"), [(0, 48), (1, 48), (4, 48), (5, 60), (30, 360)])
def test_the_last_chance_is_half_of_the_overlap_before_the_end_and_at_least_48_hours(overlap, hours):
    end = utc("2027-01-01 00:00")
    assert last_chance(end=end, overlap_made_with=overlap * DAY) == end - hours * HOUR


@patient
@given(
    then=schedules(), today=schedules(), made_at=instants(), after=st.integers(-3 * 86400, 400 * 86400), fraction=st.floats(0, 1, exclude_max=True)
)  # fmt: skip
def test_the_next_time_is_the_first_instant_at_which_it_is_made(then, today, made_at, after, fraction):
    pair = then.plan(made_at)
    now = made_at + after * SECOND
    facts = facts_of(pair, today, then, saved=now if after % 2 else None)
    at = next_time(today, now=now, **facts)

    assert at >= now
    assert made_now(today, now=at, **facts)
    assert next_time(today, now=at, **facts) == at
    if at > now:
        before = min(now + (at - now) * fraction, at - timedelta.resolution)
        assert made_now(today, now=before, **facts) is None
        assert next_time(today, now=before, **facts) == at


def test_a_failed_attempt_that_leaves_the_two_hours_waits_for_the_next_night(night):
    schedule, pair, facts = night
    failed_at = pair.planned + 2 * HOUR - 5 * MINUTE
    assert next_time(schedule, now=retry_at(failed_at, 1), **facts) == failed_at + MINUTE
    assert next_time(schedule, now=retry_at(failed_at, 2), **facts) == pair.planned + DAY


@pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 10), (3, 10), (100, 10)])
def test_a_failure_is_tried_again_after_a_minute_and_then_every_ten(failures, minutes):
    assert retry_at(utc("2026-07-01 00:00"), failures) == utc("2026-07-01 00:00") + minutes * MINUTE


@pytest.mark.parametrize(
    ("after", "missed"),
    [
        (-DAY, None),
        (timedelta(0), None),
        (2 * HOUR - SECOND, None),
        (2 * HOUR, timedelta(0)),
        (DAY + HOUR, timedelta(0)),
        (DAY + 2 * HOUR, DAY),
        (5 * DAY + 8 * HOUR, 5 * DAY),
    ],
)
def test_a_slot_is_missed_when_its_two_hours_have_passed(night, after, missed):
    schedule, pair, facts = night
    slot = missed_slot(schedule, now=pair.planned + after, due=facts["due"])
    assert slot == (None if missed is None else pair.planned + missed)


END = utc("2027-07-31 00:00")


@pytest.mark.parametrize(
    ("left", "overlap", "overdue", "step"),
    [
        (31 * DAY, 90, True, None),
        (30 * DAY, 90, False, 30),
        (30 * DAY, 60, False, None),  # half of the overlap is not below half of the overlap
        (30 * DAY, 30, False, None),
        (30 * DAY, 30, True, 30),
        (15 * DAY, 30, False, None),
        (14 * DAY, 30, False, 14),
        (14 * DAY + SECOND, 30, True, 30),
        (7 * DAY, 30, False, 7),
        (7 * DAY, 14, False, None),
        (3 * DAY, 7, False, 3),
        (2 * DAY, 7, False, 3),
        (1 * DAY, 7, False, 1),
        (SECOND, 7, False, 1),
        (1 * DAY, 2, False, None),
        (1 * HOUR, 0, False, None),
        (1 * HOUR, 0, True, 1),
        (timedelta(0), 30, True, None),
        (-DAY, 30, True, None),
    ],
)
def test_it_warns_of_the_end_in_steps(left, overlap, overdue, step):
    assert ends_in_step(now=END - left, end=END, overlap_made_with=overlap * DAY, overdue=overdue) == step


def test_the_slot_lasts_two_hours_by_the_clock_that_never_jumps():
    schedule = schedule_of(1, 1, "01:30")
    pair = schedule.plan(local("Europe/Zurich", "2026-03-28 01:30"))
    facts = facts_of(pair, schedule, schedule)
    assert pair.planned == utc("2026-03-29 00:30")
    assert made_now(schedule, now=local("Europe/Zurich", "2026-03-29 04:29"), **facts) is MakeBecause.SLOT
    assert made_now(schedule, now=local("Europe/Zurich", "2026-03-29 04:30"), **facts) is None
