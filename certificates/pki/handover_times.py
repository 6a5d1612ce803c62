"""When the server switches from the active pair to its successor, and when a failed switch is tried again.

Every instant is an aware datetime in UTC; `active_end` is the first instant at which the active pair is no longer
valid. "T" is the schedule's time of day, see `Schedule`.
"""

from datetime import datetime, timedelta

from certificates.pki.lifetime import last_hours
from certificates.pki.schedule import Schedule

# From here on an open handover is no longer held, and a failed switch is tried every hour.
LAST_DAY = timedelta(hours=24)
FIRST_RETRIES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=60))
HOUR = timedelta(hours=1)


def deadline(schedule: Schedule, *, made_at: datetime, active_end: datetime, overlap: timedelta) -> datetime:
    """When a pair prepared at `made_at` becomes active at the latest (rule deadline). Without an overlap, or once the
    active pair has ended: at once.
    """
    return _at_night(schedule, made_at, min(overlap, active_end - made_at) / 2)


def deadline_after_roll_back(
    schedule: Schedule, *, now: datetime, active_end: datetime, planned: datetime, end: datetime
) -> datetime:
    """The deadline of the pair that was rolled back from and is held (rule roll-back). `planned` and `end` are its own."""
    span = min(active_end - now, end - now) / 2
    at = _at_night(schedule, now, span)
    return min(at, planned) if planned >= now + span / 2 else at


def hold_ends(*, active_end: datetime, planned: datetime) -> datetime:
    """Until when a deadline that has come can be held (rule deadline-held). `planned`: when the prepared pair itself is to be
    replaced.
    """
    return min(active_end - LAST_DAY, planned)


def latest_deadline(*, active_end: datetime, planned: datetime) -> datetime:
    """How far the deadline can be moved (rule deadline): as far as it could be held."""
    return hold_ends(active_end=active_end, planned=planned)


def replaceable_before(
    schedule: Schedule, *, now: datetime, active_end: datetime, overlap_made_with: timedelta
) -> bool:
    """Whether a pair discarded now is replaced at a T before the last hours of the active one (rule discard)."""
    return schedule.first_from(now) < active_end - last_hours(overlap_made_with)


def switch_retry_at(schedule: Schedule, *, failed_at: datetime, failures: int, active_end: datetime | None) -> datetime:
    """When a failed switch is tried again after the given number of failures in a row, at least one
    (rule switch-failed). `active_end`: the end of the pair served instead, None where there was none to go back to.
    """
    if failures <= len(FIRST_RETRIES):
        return failed_at + FIRST_RETRIES[failures - 1]
    if active_end is None:
        return failed_at + HOUR
    next_night = schedule.first_from(failed_at + timedelta.resolution)
    return min(next_night, max(failed_at + HOUR, active_end - LAST_DAY))


def _at_night(schedule: Schedule, start: datetime, span: timedelta) -> datetime:
    span = max(span, timedelta(0))
    latest = start + span
    night = schedule.last_until(latest)
    return night if night >= start + span / 2 else latest
