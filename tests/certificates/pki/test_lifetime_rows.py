"""The worked examples of the rules of time: local instants in, UTC out. Rows 9 to 12 go through the real use cases, in
`tests/certificates/renewal/test_rows_of_time.py`.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.pki.handover_times import deadline
from certificates.pki.lifetime import DueBecause, due
from certificates.pki.schedule import Schedule


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
