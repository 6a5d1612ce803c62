"""When the server switches, how far that can be moved, and when a failed switch is tried again
(rules deadline, discard, switch-failed).
"""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.pki.handover_times import (
    deadline,
    deadline_after_roll_back,
    latest_deadline,
    replaceable_before,
    switch_retry_at,
)
from certificates.pki.lifetime import MakeBecause, due, ends_in_step, last_hours, made_now, next_time
from tests.certificates.pki.schedules import DAY, HOUR, MINUTE, instants, patient, schedule_of, schedules, utc

SECOND = timedelta(seconds=1)
NIGHT = utc("2026-07-08 00:00")


def is_night_of_the_second_half(schedule, at, start, span):
    in_second_half = start + span / 2 <= at <= start + span
    return (
        in_second_half and schedule.nearest(at) == at and schedule.first_from(at + timedelta.resolution) > start + span
    )


@patient
@given(schedule=schedules(), made_at=instants(), left=st.integers(1, 100 * 86400))
def test_the_deadline_is_the_last_night_in_the_second_half_of_the_span(schedule, made_at, left):
    span = min(schedule.overlap / 2, left * SECOND / 2)
    at = deadline(schedule, made_at=made_at, active_end=made_at + left * SECOND, overlap=schedule.overlap)
    if schedule.last_until(made_at + span) < made_at + span / 2:
        assert at == made_at + span
    else:
        assert is_night_of_the_second_half(schedule, at, made_at, span)


@patient
@given(schedule=schedules(), made_at=instants(), late=st.integers(0, 7199))
def test_half_of_the_overlap_is_still_there_at_the_deadline_of_a_pair_made_in_time(schedule, made_at, late):
    pair = schedule.plan(made_at)
    successor = pair.planned + min(late * SECOND, (pair.end - pair.planned) / 2)
    at = deadline(schedule, made_at=successor, active_end=pair.end, overlap=schedule.overlap)
    assert successor <= at < pair.end
    assert pair.end - at >= (pair.end - successor) / 2


@patient
@given(schedule=schedules(), made_at=instants(), late=st.integers(0, 7199))
def test_a_normal_handover_never_warns_that_the_pair_ends(schedule, made_at, late):
    pair = schedule.plan(made_at)
    at = deadline(schedule, made_at=pair.planned + late * SECOND, active_end=pair.end, overlap=schedule.overlap)
    facts = {"end": pair.end, "overlap_made_with": schedule.overlap, "overdue": False}
    assert ends_in_step(now=min(at, pair.not_after), **facts) is None


@pytest.mark.parametrize("left", [timedelta(0), -DAY])
def test_after_the_end_of_the_active_pair_the_switch_is_at_once(left):
    assert deadline(schedule_of(), made_at=NIGHT, active_end=NIGHT + left, overlap=30 * DAY) == NIGHT


def test_without_overlap_the_switch_is_at_once():
    assert deadline(schedule_of(30, 0), made_at=NIGHT, active_end=NIGHT + HOUR, overlap=0 * DAY) == NIGHT


@pytest.mark.parametrize("late", [0 * SECOND, 20 * SECOND, HOUR])
def test_a_pair_made_a_little_late_is_active_at_the_same_hour_of_the_night(late):
    at = deadline(schedule_of(), made_at=NIGHT + late, active_end=NIGHT + 30 * DAY, overlap=30 * DAY)
    assert at == NIGHT + 15 * DAY


@patient
@given(
    schedule=schedules(),
    now=instants(),
    left=st.integers(1, 100 * 86400),
    own=st.integers(1, 100 * 86400),
    planned=st.integers(-100 * 86400, 100 * 86400),
)
def test_a_pair_rolled_back_from_does_not_come_back_within_the_first_quarter(schedule, now, left, own, planned):
    """Of what is left of either pair: it is served before it ends itself."""
    own, left, planned = own * SECOND, left * SECOND, planned * SECOND
    at = deadline_after_roll_back(schedule, now=now, active_end=now + left, planned=now + planned, end=now + own)
    left = min(left, own)
    assert now + left / 4 <= at <= now + left / 2
    assert at <= now + planned or planned < left / 4


def test_the_deadline_can_be_moved_to_a_day_before_the_active_pair_ends():
    assert latest_deadline(active_end=NIGHT, planned=NIGHT + 300 * DAY) == NIGHT - DAY


def test_the_deadline_can_never_be_moved_past_the_planned_time_of_the_prepared_pair():
    assert latest_deadline(active_end=NIGHT + 90 * DAY, planned=NIGHT + 7 * DAY) == NIGHT + 7 * DAY


@pytest.mark.parametrize(
    ("left", "overlap", "replaceable"),
    [
        (DAY + SECOND, 30, False),
        (2 * DAY, 30, False),  # the next night, 02:00, is where the last hours begin
        (2 * DAY + HOUR, 30, True),
        (10 * DAY, 30, True),
        (DAY + 12 * HOUR, 1, False),
        (DAY + 13 * HOUR, 1, True),
        (DAY + HOUR, 0, False),
        (DAY + 2 * HOUR, 0, True),
        (-DAY, 30, False),
    ],
)
def test_a_pair_can_be_discarded_while_a_night_comes_before_the_last_hours(left, overlap, replaceable):
    now = NIGHT + SECOND
    facts = {"active_end": NIGHT + left, "overlap_made_with": overlap * DAY}
    assert replaceable_before(schedule_of(90, overlap), now=now, **facts) is replaceable


@patient
@given(schedule=schedules(), made_at=instants(), after=st.floats(0, 1, exclude_max=True))
def test_the_successor_of_a_discarded_pair_is_made_at_night_where_discarding_is_allowed(schedule, made_at, after):
    pair = schedule.plan(made_at)
    now = pair.planned + (pair.end - pair.planned) * after
    allowed = replaceable_before(schedule, now=now, active_end=pair.end, overlap_made_with=schedule.overlap)
    is_due = due(schedule, made_at=pair.made_at, end=pair.end, settings_saved_at=None, discarded_at=now)
    facts = {"due": is_due, "not_before": pair.not_before, "end": pair.end, "overlap_made_with": schedule.overlap}
    at = next_time(schedule, now=now, **facts)
    if allowed:
        assert at == schedule.first_from(now)
        assert made_now(schedule, now=at, **facts) is MakeBecause.SLOT
    else:
        assert at >= pair.end - last_hours(schedule.overlap)


def retries(schedule, failed_at, active_end, count):
    """The instants of the attempts, each of which fails twenty seconds after it began."""
    found = []
    for failures in range(1, count + 1):
        at = switch_retry_at(schedule, failed_at=failed_at, failures=failures, active_end=active_end)
        assert at > failed_at
        found.append(at)
        failed_at = at + 20 * SECOND
    return found


def test_a_failed_switch_is_tried_after_1_10_and_60_minutes_and_then_every_night():
    found = retries(schedule_of(), NIGHT, NIGHT + 30 * DAY, 6)
    assert found == [
        NIGHT + MINUTE,
        NIGHT + 11 * MINUTE + 20 * SECOND,
        NIGHT + 71 * MINUTE + 40 * SECOND,
        NIGHT + 1 * DAY,
        NIGHT + 2 * DAY,
        NIGHT + 3 * DAY,
    ]


def test_it_is_tried_every_hour_in_the_last_day_before_the_active_pair_ends():
    end = NIGHT + 2 * DAY + 8 * HOUR
    found = retries(schedule_of(), NIGHT, end, 8)
    assert found[3:] == [
        NIGHT + DAY,
        NIGHT + DAY + 8 * HOUR,
        NIGHT + DAY + 9 * HOUR + 20 * SECOND,
        NIGHT + DAY + 10 * HOUR + 40 * SECOND,
        NIGHT + DAY + 11 * HOUR + 60 * SECOND,
    ]


def test_where_there_is_no_pair_to_go_back_to_it_is_tried_every_hour():
    found = retries(schedule_of(), NIGHT, None, 6)
    assert found[3:] == [found[2] + step * (HOUR + 20 * SECOND) for step in (1, 2, 3)]


def test_a_switch_that_fails_exactly_at_a_time_of_day_waits_for_the_next_night():
    at = switch_retry_at(schedule_of(), failed_at=NIGHT, failures=4, active_end=NIGHT + 30 * DAY)
    assert at == NIGHT + DAY


@patient
@given(schedule=schedules(), failed_at=instants(), failures=st.integers(1, 50), left=st.integers(-86400, 40 * 86400))
def test_a_failed_switch_is_tried_again_within_the_day_and_in_the_last_day_within_the_hour(
    schedule, failed_at, failures, left
):
    end = failed_at + left * SECOND
    at = switch_retry_at(schedule, failed_at=failed_at, failures=failures, active_end=end)
    assert failed_at < at <= failed_at + 26 * HOUR
    assert at <= max(failed_at + HOUR, end - DAY)
