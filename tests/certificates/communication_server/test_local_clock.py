"""When a connection was made by a clock that names no zone: never later than it was (rule kamailio-asked)."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.communication_server.local_clock import LocalClock
from tests.support.generations import HOUR, MINUTE, SECOND, utc

ZURICH = ZoneInfo("Europe/Zurich")
"""Summer time ends on 25 October 2026, 01:00 UTC, and begins on 28 March 2027, 01:00 UTC."""
KOLKATA = ZoneInfo("Asia/Kolkata")


def said(instant, zone, wrong=timedelta()):
    """What a clock of this zone says then."""
    return (utc(instant) + wrong).astimezone(zone).replace(tzinfo=None)


def read(made, now, *, of, site=ZURICH, wrong=timedelta()):
    """When a connection was made by a clock `of` that zone, read at a site whose zone is another or the same."""
    clock = LocalClock.that_says(said(now, of, wrong), utc(now), zone=site)
    return clock.instant(said(made, of, wrong))


@pytest.mark.parametrize("made", ["2026-10-24 22:10", "2026-10-24 23:30", "2026-10-25 00:00", "2026-10-25 00:59:59"])
def test_after_the_end_of_summer_time_what_was_made_before_it_is_not_an_hour_younger(made):
    assert read(made, "2026-10-25 01:40", of=ZURICH) == utc(made)


@pytest.mark.parametrize("made", ["2026-10-25 01:00", "2026-10-25 01:30", "2026-10-25 01:59:59"])
def test_in_the_hour_that_comes_twice_it_is_the_older_of_the_two(made):
    assert read(made, "2026-10-25 03:00", of=ZURICH) == utc(made) - HOUR


def test_when_that_hour_is_over_it_is_exact_again():
    assert read("2026-10-25 02:00", "2026-10-25 03:00", of=ZURICH) == utc("2026-10-25 02:00")


@pytest.mark.parametrize("made", ["2026-10-25 00:10", "2026-10-25 01:10"])
def test_within_that_hour_nobody_knows_which_of_the_two_it_was(made):
    assert read(made, "2026-10-25 01:20", of=ZURICH) == utc("2026-10-25 00:10")


@pytest.mark.parametrize("made", ["2027-03-28 00:30", "2027-03-28 00:59:59", "2027-03-28 01:00", "2027-03-28 01:30"])
def test_over_the_gap_in_spring_it_is_exact(made):
    assert read(made, "2027-03-28 02:00", of=ZURICH) == utc(made)


def test_a_time_that_spring_left_out_is_the_older_of_the_two_that_it_may_mean():
    clock = LocalClock.that_says(said("2027-03-28 02:00", ZURICH), utc("2027-03-28 02:00"), zone=ZURICH)

    left_out = utc("2027-03-28 02:30").replace(tzinfo=None)
    assert clock.instant(left_out) == utc("2027-03-28 00:30")


@pytest.mark.parametrize("of", [UTC, KOLKATA], ids=str)
@pytest.mark.parametrize("made", ["2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30"])
def test_a_zone_without_summer_time_has_no_such_hour(of, made):
    assert read(made, "2026-10-25 02:00", of=of, site=of) == utc(made)


def test_a_server_that_goes_by_utc_at_a_site_with_summer_time_is_exact():
    assert read("2026-10-25 00:30", "2026-10-25 01:30", of=UTC) == utc("2026-10-25 00:30")


def test_where_it_may_be_of_either_zone_the_older_counts():
    """In London's winter its clocks say what those of UTC do."""
    london = ZoneInfo("Europe/London")

    assert read("2026-10-25 00:30", "2026-10-25 01:30", of=london, site=london) == utc("2026-10-25 00:30")


def test_of_a_zone_that_nobody_knows_it_may_be_an_hour_older():
    assert read("2026-10-25 00:30", "2026-10-25 02:00", of=KOLKATA) == utc("2026-10-24 23:30")


@pytest.mark.parametrize("wrong", [-3 * MINUTE, 40 * SECOND, 7 * MINUTE])
def test_a_clock_that_is_some_minutes_wrong_is_put_right(wrong):
    assert read("2026-10-24 23:30", "2026-10-25 02:00", of=ZURICH, wrong=wrong) == utc("2026-10-24 23:30")


def test_a_clock_that_is_wrong_by_more_may_be_of_any_zone():
    assert read("2026-10-25 10:00", "2026-10-25 12:00", of=ZURICH, wrong=8 * MINUTE) == utc("2026-10-25 09:00")


def test_whenever_and_wherever_it_is_read_nothing_is_younger_than_it_is():
    for of in (ZURICH, UTC, KOLKATA, ZoneInfo("Europe/London"), ZoneInfo("Australia/Lord_Howe")):
        for site in {ZURICH, of}:
            for around in ("2026-10-24 20:00", "2027-03-27 20:00", "2027-04-03 08:00"):
                for made in range(0, 600, 15):
                    for later in (1, 16, 60, 61, 179):
                        at, now = utc(around) + made * MINUTE, utc(around) + (made + later) * MINUTE
                        clock = LocalClock.that_says(now.astimezone(of).replace(tzinfo=None), now, zone=site)
                        found = clock.instant(at.astimezone(of).replace(tzinfo=None))
                        unknown = of == ZoneInfo("Europe/London") and site == ZURICH
                        assert found <= at or unknown, (of, site, at, now, found)
