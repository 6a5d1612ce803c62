"""When the successor of a pair is due, and when it is made.

Every instant is an aware datetime in UTC; `end` is exclusive. `overlap_made_with` is the overlap in force when the
pair was made, the schedule holds today's. "T" is the schedule's time of day, see `Schedule`.
"""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from certificates.pki.schedule import Schedule

# How long after a T an automatic generation may still start (rule two-hours).
SLOT_LENGTH = timedelta(hours=2)
LAST_CHANCE_AT_LEAST = timedelta(hours=48)
STEPS_BEFORE_END = (30, 14, 7, 3, 1)


class DueBecause(enum.StrEnum):
    """Why a pair is due when it is: the page and the history say so."""

    INTERVAL = "interval"
    LEAVES_OVERLAP = "leaves_overlap"
    SETTINGS_CHANGED = "settings_changed"
    PAIR_DISCARDED = "pair_discarded"


@dataclass(frozen=True)
class Due:
    at: datetime
    because: DueBecause


def due(
    schedule: Schedule,
    *,
    made_at: datetime,
    end: datetime,
    settings_saved_at: datetime | None,
    discarded_at: datetime | None,
) -> Due:
    """The T at which the successor of a pair is due (rules due, due-after-change).

    Ask it of the active pair, and only while none is prepared or held.
    """
    by_interval = schedule.nearest(made_at + schedule.interval)
    leaving_overlap = schedule.last_until(end - schedule.reserve)
    if by_interval <= leaving_overlap:
        regular = Due(by_interval, DueBecause.INTERVAL)
    else:
        regular = Due(leaving_overlap, DueBecause.LEAVES_OVERLAP)

    changes = [(settings_saved_at, DueBecause.SETTINGS_CHANGED), (discarded_at, DueBecause.PAIR_DISCARDED)]
    later = [(at, because) for at, because in changes if at is not None and at > regular.at]
    if not later:
        return regular
    changed_at, because = max(later)
    return Due(schedule.first_from(changed_at), because)


class MakeBecause(enum.StrEnum):
    """Why an automatic generation is made at this instant."""

    SLOT = "slot"
    LAST_HOURS = "last_hours"
    ENDED = "ended"
    NOT_YET_VALID = "not_yet_valid"


def made_now(
    schedule: Schedule,
    *,
    now: datetime,
    due: Due,
    not_before: datetime,
    end: datetime,
    overlap_made_with: timedelta,
) -> MakeBecause | None:
    """Why the successor of a pair is to be made at this instant, None where it is not (rules two-hours, last-hours)."""
    if now >= end:
        return MakeBecause.ENDED
    if now < not_before:
        return MakeBecause.NOT_YET_VALID
    if due.at <= now < schedule.last_until(now) + SLOT_LENGTH:
        return MakeBecause.SLOT
    if now >= end - last_hours(overlap_made_with):
        return MakeBecause.LAST_HOURS
    return None


def next_time(
    schedule: Schedule,
    *,
    now: datetime,
    due: Due,
    not_before: datetime,
    end: datetime,
    overlap_made_with: timedelta,
) -> datetime:
    """The first instant from `now` on at which `made_now` is true; `now` itself where it is.

    After a failed attempt ask with the later of now and `retry_at`: retries keep to the same limits.
    """
    if made_now(schedule, now=now, due=due, not_before=not_before, end=end, overlap_made_with=overlap_made_with):
        return now
    at_night = due.at if due.at > now else schedule.first_from(now)
    return min(at_night, end - last_hours(overlap_made_with))


def missed_slot(schedule: Schedule, *, now: datetime, due: Due) -> datetime | None:
    """The newest T at which the successor was due and whose two hours have passed, None where there was none."""
    newest = schedule.last_until(now - SLOT_LENGTH)
    return newest if newest >= due.at else None


def retry_at(failed_at: datetime, failures: int) -> datetime:
    """When to try again after the given number of failures in a row, at least one (rule generation-retry)."""
    return failed_at + timedelta(minutes=1 if failures == 1 else 10)


def last_hours(overlap_made_with: timedelta) -> timedelta:
    """How long before its end a pair is replaced at any hour: half of its overlap, 1 to 24 hours (rule last-hours)."""
    return min(max(overlap_made_with / 2, timedelta(hours=1)), timedelta(hours=24))


def last_chance(*, end: datetime, overlap_made_with: timedelta) -> datetime:
    """From when on a doubtful clock no longer keeps a due pair from being made (rule last-chance)."""
    return end - max(overlap_made_with / 2, LAST_CHANCE_AT_LEAST)


def ends_in_step(*, now: datetime, end: datetime, overlap_made_with: timedelta, overdue: bool) -> int | None:
    """The smallest step in days that the pair's remaining time fits in, None where nothing is to be said
    (rule warning-steps). None too when it has ended: that is another warning.
    """
    left = end - now
    if left <= timedelta(0):
        return None
    reached = [step for step in STEPS_BEFORE_END if left <= timedelta(days=step)]
    if not reached:
        return None
    step = min(reached)
    return step if overdue or timedelta(days=step) < overlap_made_with / 2 else None
