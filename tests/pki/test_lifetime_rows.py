"""The worked examples of the rules of time: local instants in, UTC out."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.pki.handover_times import deadline, deadline_after_roll_back
from certificates.pki.lifetime import DueBecause, MakeBecause, due, made_now, next_time
from certificates.pki.schedule import Schedule

ZURICH = ZoneInfo("Europe/Zurich")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(zone, text):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


ROWS = [
    pytest.param("Europe/Zurich", "02:00", 365, 30, "2026-07-01 10:00", "2027-07-01 00:00", "2027-07-30 23:59:59", "2027-07-16 00:00", id="1-nearest-is-before"),
    pytest.param("Europe/Zurich", "02:00", 365, 30, "2026-07-01 15:00", "2027-07-02 00:00", "2027-07-31 23:59:59", "2027-07-17 00:00", id="2-nearest-is-after"),
    pytest.param("Europe/Zurich", "02:30", 1, 1, "2026-03-28 02:30:20", "2026-03-29 01:00", "2026-03-30 00:59:59", "2026-03-29 13:00", id="3-T-does-not-exist"),
    pytest.param("Europe/Zurich", "02:30", 7, 0, "2026-10-18 02:30:20", "2026-10-25 00:30", "2026-10-25 01:29:59", "2026-10-25 00:30", id="4-T-exists-twice"),
    pytest.param("Europe/Zurich", "12:00", 1, 1, "2026-10-24 12:00:20", "2026-10-25 11:00", "2026-10-26 10:59:59", "2026-10-25 23:00", id="5-day-of-25-hours"),
    pytest.param("Pacific/Apia", "12:00", 1, 1, "2011-12-29 12:00:20", "2011-12-30 22:00", "2011-12-31 21:59:59", "2011-12-31 10:00", id="6-a-day-left-out"),
    pytest.param("America/St_Johns", "00:30", 7, 3, "2011-03-06 00:30:20", "2011-03-13 03:31", "2011-03-16 03:30:59", "2011-03-14 03:00", id="7-gap-at-00:01"),
    pytest.param("UTC", "00:00", 1, 0, "2026-07-01 23:59:59", "2026-07-03 00:00", "2026-07-03 00:59:59", "2026-07-03 00:00", id="8-last-second-of-the-day"),
    pytest.param("Europe/Zurich", "02:00", 7, 7, "2026-07-01 02:00", "2026-07-08 00:00", "2026-07-14 23:59:59", "2026-07-11 00:00", id="9-overlap-as-long-as-interval"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "at", "interval", "overlap", "made", "due_at", "not_after", "switch"), ROWS)
def test_it_works_the_example_out(zone, at, interval, overlap, made, due_at, not_after, switch):
    schedule = Schedule(interval, time.fromisoformat(at), overlap, ZoneInfo(zone))
    pair = schedule.plan(local(schedule.zone, made))

    assert pair.not_after == utc(not_after)
    assert pair.not_before == pair.made_at - timedelta(hours=24)
    is_due = due(schedule, made_at=pair.made_at, end=pair.end, settings_saved_at=None, discarded_at=None)
    assert is_due.at == pair.planned == utc(due_at)
    assert is_due.because is DueBecause.INTERVAL
    assert deadline(schedule, made_at=is_due.at, active_end=pair.end, overlap=schedule.overlap) == utc(switch)


def first_pair(interval, overlap):
    schedule = Schedule(interval, time(2, 0), overlap, ZURICH)
    return schedule, schedule.plan(local(ZURICH, "2026-07-01 02:00:00"))


def test_row_10_a_machine_that_was_off_makes_the_pair_in_the_next_night():
    schedule, pair = first_pair(7, 7)
    is_due = due(schedule, made_at=pair.made_at, end=pair.end, settings_saved_at=None, discarded_at=None)
    facts = {"due": is_due, "not_before": pair.not_before, "end": pair.end, "overlap_made_with": schedule.overlap}
    back = local(ZURICH, "2026-07-13 10:00")

    assert made_now(schedule, now=back, **facts) is None
    made = next_time(schedule, now=back, **facts)
    assert made == utc("2026-07-14 00:00")
    assert made_now(schedule, now=made, **facts) is MakeBecause.SLOT
    assert schedule.plan(made).not_after == utc("2026-07-27 23:59:59")
    assert deadline(schedule, made_at=made, active_end=pair.end, overlap=schedule.overlap) == utc("2026-07-14 12:00")


def test_row_11_a_shortened_interval_waits_for_the_next_night():
    _, pair = first_pair(365, 30)
    shortened = Schedule(30, time(2, 0), 30, ZURICH)
    saved = local(ZURICH, "2026-08-20 10:20")

    is_due = due(shortened, made_at=pair.made_at, end=pair.end, settings_saved_at=saved, discarded_at=None)
    assert is_due.at == utc("2026-08-21 00:00")
    assert is_due.because is DueBecause.SETTINGS_CHANGED
    assert shortened.plan(is_due.at).not_after == utc("2026-10-19 23:59:59")
    switch = deadline(shortened, made_at=is_due.at, active_end=pair.end, overlap=shortened.overlap)
    assert switch == utc("2026-09-05 00:00")


def test_row_12_after_a_roll_back_half_of_what_is_left_is_the_new_deadline():
    schedule, pair = first_pair(365, 30)
    rolled_back = local(ZURICH, "2027-07-20 10:00")
    assert pair.not_after == utc("2027-07-30 23:59:59")
    assert deadline_after_roll_back(schedule, now=rolled_back, active_end=pair.end) == utc("2027-07-25 00:00")

    discarded = local(ZURICH, "2027-07-21 10:00")
    is_due = due(schedule, made_at=pair.made_at, end=pair.end, settings_saved_at=None, discarded_at=discarded)
    assert is_due.at == utc("2027-07-22 00:00")
    assert is_due.because is DueBecause.PAIR_DISCARDED
