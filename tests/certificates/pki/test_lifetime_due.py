"""What a pair's plan promises, and when its successor is due (rules validity, due, due-after-change)."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from certificates.pki.lifetime import Due, DueBecause, due
from tests.certificates.pki.schedules import DAY, HOUR, MINUTE, instants, local, patient, schedule_of, schedules, utc


def due_of(schedule, pair, *, saved=None, discarded=None):
    return due(schedule, made_at=pair.made_at, end=pair.end, settings_saved_at=saved, discarded_at=discarded)


@patient
@given(schedule=schedules(), made_at=instants())
@example(schedule=schedule_of(1, 0, "12:00", "Antarctica/Troll"), made_at=local("Antarctica/Troll", "2026-10-24 01:00"))
def test_right_after_a_generation_the_next_is_due_an_interval_less_at_most_13_hours_ahead(schedule, made_at):
    ahead = due_of(schedule, schedule.plan(made_at)).at - made_at
    assert abs(ahead - schedule.interval) <= 13 * HOUR


@patient
@given(schedule=schedules(), made_at=instants("1890-01-01"))
def test_in_any_year_the_next_is_due_an_interval_less_at_most_half_the_way_between_two_times_of_day(schedule, made_at):
    after = made_at.replace(microsecond=0) + schedule.interval
    widest = schedule.first_from(after) - schedule.last_until(after)
    assert abs(due_of(schedule, schedule.plan(made_at)).at - after) <= widest / 2


@pytest.mark.parametrize(
    ("zone", "made", "less"),
    [
        ("Antarctica/Casey", "2023-03-07 12:00", 13.5 * HOUR),  # a day of 27 hours
        ("Pacific/Kwajalein", "1969-09-29 12:00", 23.5 * HOUR),  # 30 September twice
        ("Pacific/Apia", "2011-12-29 12:00", 12 * HOUR),  # a day left out leaves the distance as it is
    ],
)
def test_where_a_zone_moves_by_many_hours_the_bound_is_half_the_way_between_the_two_times_of_day(zone, made, less):
    schedule = schedule_of(1, 1, "12:00", zone)
    start = local(zone, made)
    made_at = [start + minutes * MINUTE for minutes in range(72 * 60)]
    ahead = [due_of(schedule, schedule.plan(instant)).at - instant for instant in made_at]
    assert min(ahead) == DAY - less
    assert max(ahead) <= DAY + less


@patient
@given(schedule=schedules(), made_at=instants())
def test_with_the_settings_it_was_made_with_a_pair_is_due_when_planned(schedule, made_at):
    pair = schedule.plan(made_at)
    assert due_of(schedule, pair) == Due(pair.planned, DueBecause.INTERVAL)


@patient
@given(schedule=schedules(), made_at=instants())
def test_a_pair_is_valid_from_a_day_before_to_its_overlap_after_the_planned_time(schedule, made_at):
    pair = schedule.plan(made_at + timedelta(microseconds=999_999))
    assert pair.made_at == made_at
    assert pair.not_before == made_at - 24 * HOUR
    assert pair.end - pair.planned == max(schedule.overlap, HOUR)
    assert pair.not_after == pair.end - timedelta(seconds=1)


@patient
@given(then=schedules(), today=schedules(), made_at=instants())
def test_due_never_leaves_less_than_todays_overlap_before_the_end(then, today, made_at):
    pair = then.plan(made_at)
    is_due = due_of(today, pair)
    assert pair.end - is_due.at >= max(today.overlap, HOUR)
    assert today.nearest(is_due.at) == is_due.at
    by_interval = today.nearest(pair.made_at + today.interval)
    if is_due.because is DueBecause.LEAVES_OVERLAP:
        assert is_due.at < by_interval
        assert today.first_from(is_due.at + timedelta.resolution) > pair.end - max(today.overlap, HOUR)
    else:
        assert is_due.at == by_interval


def test_a_time_that_leaves_exactly_the_overlap_is_early_enough():
    schedule = schedule_of(7, 7)
    pair = schedule.plan(local("Europe/Zurich", "2026-07-01 02:00"))
    longer = schedule_of(3650, 7)
    assert due_of(longer, pair) == Due(pair.planned, DueBecause.LEAVES_OVERLAP)
    one_second_less = due(longer, made_at=pair.made_at, end=pair.not_after, settings_saved_at=None, discarded_at=None)
    assert one_second_less.at == pair.planned - DAY


@patient
@given(
    schedule=schedules(longest_interval=400), made_at=instants("2024-01-01", "2030-01-01"), late=st.integers(0, 7200)
)
def test_fifty_renewals_do_not_creep(schedule, made_at, late):
    first = planned = schedule.plan(made_at).planned
    for renewals in range(1, 51):
        planned = schedule.plan(planned + timedelta(seconds=late if renewals % 2 else 0)).planned
        # Summer time alone moves it, by two hours at most (Antarctica/Troll).
        assert abs(planned - first - renewals * schedule.interval) <= 2 * HOUR


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=20), timedelta(hours=2)])
def test_every_seven_days_stays_every_seven_days(late):
    schedule = schedule_of(7, 0)
    planned = schedule.time_on(date(2026, 1, 1))
    for weeks in range(1, 60):
        planned = schedule.plan(planned + late).planned
        assert planned == schedule.time_on(date(2026, 1, 1) + weeks * 7 * DAY)


@pytest.mark.parametrize("at", ["00:00", "02:30", "12:00"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Zurich", "Australia/Lord_Howe", "America/Santiago"])
def test_every_day_without_overlap_makes_one_pair_a_day(zone, at):
    schedule = schedule_of(1, 0, at, zone)
    made = schedule.time_on(date(2026, 1, 1))
    for days in range(1, 400):
        made = due_of(schedule, schedule.plan(made + timedelta(seconds=20))).at
        assert made == schedule.time_on(date(2026, 1, 1) + days * DAY)


@patient
@given(then=schedules(), today=schedules(), made_at=instants(), days=st.integers(0, 4000), discarded=st.booleans())
def test_after_a_change_the_first_time_of_day_from_then_on_counts(then, today, made_at, days, discarded):
    pair = then.plan(made_at)
    changed = made_at + days * DAY
    regular = due_of(today, pair)
    is_due = due_of(today, pair, **{"discarded" if discarded else "saved": changed})
    if changed <= regular.at:
        assert is_due == regular
    else:
        because = DueBecause.PAIR_DISCARDED if discarded else DueBecause.SETTINGS_CHANGED
        assert is_due == Due(today.first_from(changed), because)
        assert is_due.at >= changed


def test_the_later_of_two_changes_counts():
    schedule = schedule_of(30, 30)
    pair = schedule.plan(utc("2026-07-01 00:00"))
    one, other = utc("2026-08-10 10:00"), utc("2026-08-12 10:00")
    assert due_of(schedule, pair, saved=one, discarded=other) == Due(utc("2026-08-13 00:00"), DueBecause.PAIR_DISCARDED)
    assert due_of(schedule, pair, saved=other, discarded=one) == Due(
        utc("2026-08-13 00:00"), DueBecause.SETTINGS_CHANGED
    )


def test_settings_saved_within_the_two_hours_wait_for_the_next_night():
    schedule = schedule_of(30, 30)
    pair = schedule.plan(utc("2026-07-01 00:00"))
    assert due_of(schedule, pair, saved=pair.planned).at == pair.planned
    assert due_of(schedule, pair, saved=pair.planned + timedelta(seconds=1)).at == pair.planned + DAY


def test_a_longer_interval_lets_nothing_expire():
    pair = schedule_of(30, 30).plan(utc("2026-07-01 00:00"))
    longer = schedule_of(3650, 30)
    assert due_of(longer, pair, saved=utc("2026-07-10 09:00")) == Due(pair.planned, DueBecause.LEAVES_OVERLAP)
