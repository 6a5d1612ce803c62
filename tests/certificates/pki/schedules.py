"""Instants, time zones and settings of renewal for the tests of the rules of time."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from certificates.pki.schedule import Schedule

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# Zones whose clocks do something that simple rules do not expect, before all the others.
ODD_ZONES = [
    "Europe/Zurich",
    "UTC",
    "America/Santiago",  # jumps at midnight
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Scoresbysund",  # jumps from 23:00 to 0:00 of the next day
    "Australia/Lord_Howe",  # half an hour
    "Africa/Casablanca",  # follows Ramadan
    "Antarctica/Troll",  # two hours
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
]
# "localtime" is whatever the machine that runs the tests is set to.
EVERY_ZONE = sorted(available_timezones() - {"localtime", "Factory"})

# A loaded machine is no reason to fail.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(zone, text):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def schedule_of(interval=365, overlap=30, at="02:00", zone="Europe/Zurich"):
    return Schedule(interval, time.fromisoformat(at), overlap, ZoneInfo(zone))


def instants(first="2024-01-01", last="2060-01-01"):
    span = int((utc(last) - utc(first)).total_seconds())
    return st.integers(0, span).map(lambda seconds: utc(first) + timedelta(seconds=seconds))


zones = (st.sampled_from(ODD_ZONES) | st.sampled_from(EVERY_ZONE)).map(ZoneInfo)
times_of_day = st.sampled_from([time(2, 0), time(0, 0), time(2, 30), time(23, 59)]) | st.times().map(
    lambda t: t.replace(second=0, microsecond=0)
)


@st.composite
def schedules(draw, longest_interval=3650):
    days = draw(st.integers(1, 10) | st.integers(1, longest_interval))
    overlap = draw(st.just(0) | st.just(min(days, 90)) | st.integers(0, min(days, 90)))
    return Schedule(days, draw(times_of_day), overlap, draw(zones))
