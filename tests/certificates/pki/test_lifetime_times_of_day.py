"""Where the time of day lies when the clocks of a zone jump (rule time-of-day)."""

from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from tests.certificates.pki.schedules import DAY, HOUR, MINUTE, instants, local, patient, schedule_of, schedules, utc

JUMPS = [
    ("Europe/Zurich", "2026-03-29"),
    ("Europe/Zurich", "2026-10-25"),
    ("America/Santiago", "2026-09-06"),
    ("America/Santiago", "2026-04-04"),
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-24"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-29"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("America/St_Johns", "2011-03-13"),
    ("America/Scoresbysund", "2026-03-28"),
    ("America/Scoresbysund", "2026-03-29"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Casey", "2018-03-11"),
    ("Pacific/Apia", "2011-12-29"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Apia", "2011-12-31"),
    ("Pacific/Kwajalein", "1993-08-21"),
    ("Pacific/Kwajalein", "1969-09-30"),
]


@cache
def every_minute_around(zone, day):
    start = utc(day.isoformat()) - 30 * HOUR
    minutes = [start + passed * MINUTE for passed in range(90 * 60)]
    return [(instant, instant.astimezone(zone).replace(tzinfo=None)) for instant in minutes]


def time_on_by_looking_at_every_minute(schedule, day):
    """The rule as it is written, without arithmetic: watch the clock on the wall, minute by minute."""
    wanted = datetime.combine(day, schedule.time_of_day)
    shown = every_minute_around(schedule.zone, day)
    if all(wall.date() != day for _, wall in shown):
        return None
    for instant, wall in shown:
        if wall == wanted:
            return instant
    return next(instant for instant, wall in shown if wall > wanted)


@pytest.mark.parametrize(("zone", "day"), JUMPS)
@pytest.mark.parametrize("at", ["00:00", "00:30", "02:00", "02:15", "12:00", "23:30"])
def test_it_finds_what_somebody_who_watches_the_clock_finds(zone, day, at):
    schedule = schedule_of(at=at, zone=zone)
    day = date.fromisoformat(day)
    assert schedule.time_on(day) == time_on_by_looking_at_every_minute(schedule, day)


def test_a_time_that_the_clocks_skip_is_the_first_minute_after_the_gap():
    assert schedule_of(at="02:30").time_on(date(2026, 3, 29)) == utc("2026-03-29 01:00")


def test_a_gap_over_midnight_moves_the_time_to_the_next_day():
    schedule = schedule_of(at="23:30", zone="America/Scoresbysund")
    assert schedule.time_on(date(2026, 3, 28)) == local("America/Scoresbysund", "2026-03-29 00:00")
    assert schedule.time_on(date(2026, 3, 29)) == local("America/Scoresbysund", "2026-03-29 23:30")


def test_a_gap_that_ends_between_two_minutes_gives_the_next_whole_one():
    schedule = schedule_of(at="00:10")
    skipped = schedule.time_on(date(1894, 6, 1))  # from 0:00:00 Bern time to 0:30:14 Central European time
    assert skipped.astimezone(schedule.zone).time() == time(0, 31)


def test_a_time_that_the_clocks_show_twice_is_the_first_of_the_two():
    assert schedule_of(at="02:30").time_on(date(2026, 10, 25)) == utc("2026-10-25 00:30")


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")])
def test_a_day_that_the_zone_left_out_has_no_time(zone, day):
    day = date.fromisoformat(day)
    for at in ("00:00", "12:00", "23:59"):
        schedule = schedule_of(at=at, zone=zone)
        assert schedule.time_on(day) is None
        assert schedule.time_on(day + DAY) - schedule.time_on(day - DAY) == DAY


def test_next_to_a_day_that_was_left_out_the_neighbours_are_the_days_around_it():
    schedule = schedule_of(at="12:00", zone="Pacific/Apia")
    before, after = utc("2011-12-29 22:00"), utc("2011-12-30 22:00")
    assert schedule.first_from(local("Pacific/Apia", "2011-12-29 13:00")) == after
    assert schedule.nearest(local("Pacific/Apia", "2011-12-29 23:59")) == before
    assert schedule.last_until(local("Pacific/Apia", "2011-12-31 11:00")) == before
    assert schedule.nearest(local("Pacific/Apia", "2011-12-31 00:01")) == after


def test_of_two_equally_near_the_earlier_counts():
    schedule = schedule_of(at="12:00", zone="UTC")
    midnight = utc("2026-07-02 00:00")
    assert schedule.nearest(midnight) == utc("2026-07-01 12:00")
    assert schedule.nearest(midnight + timedelta.resolution) == utc("2026-07-02 12:00")


@patient
@given(schedule=schedules(), instant=instants("1970-01-01", "2100-01-01"))
def test_the_neighbours_of_an_instant_are_the_ones_that_a_list_of_all_shows(schedule, instant):
    today = instant.astimezone(schedule.zone).date()
    every = [t for t in (schedule.time_on(today + timedelta(days=days)) for days in range(-5, 6)) if t]

    assert all(one < other for one, other in pairwise(every))
    assert schedule.first_from(instant) == next(t for t in every if t >= instant)
    assert schedule.last_until(instant) == next(t for t in reversed(every) if t <= instant)
    distance, nearest = min((abs(t - instant), t) for t in every)
    assert schedule.nearest(instant) == nearest
    assert abs(schedule.nearest(instant) - instant) == distance


@patient
@given(schedule=schedules(), instant=instants())
def test_at_a_time_of_day_it_is_its_own_neighbour(schedule, instant):
    t = schedule.nearest(instant)
    assert schedule.first_from(t) == schedule.last_until(t) == schedule.nearest(t) == t
    assert schedule.first_from(t + timedelta.resolution) > t
    assert schedule.last_until(t - timedelta.resolution) < t


def test_the_day_that_was_there_twice_has_one_time():
    zone = "Pacific/Kwajalein"  # 30 September 1969 began again an hour before its end
    schedule = schedule_of(at="12:00", zone=zone)
    first = schedule.time_on(date(1969, 9, 30))
    second = local(zone, "1969-09-30 12:00").astimezone(ZoneInfo(zone)).replace(fold=1)
    assert first == schedule.last_until(second)
    assert schedule.first_from(second) == schedule.time_on(date(1969, 10, 1))


def test_it_reaches_far_into_the_future():
    schedule = schedule_of(interval=3650, overlap=90)
    assert schedule.plan(utc("8990-07-01 00:00")).planned.year == 9000
