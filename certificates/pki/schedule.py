"""When a pair of certificates is planned to be replaced: an interval, a time of day, an overlap and a time zone.

Every instant that goes in or comes out is an aware datetime in UTC (rule instants).
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BACKDATING = timedelta(hours=24)
LEAST_OVERLAP = timedelta(hours=1)


@dataclass(frozen=True)
class PairPlan:
    """The dates of a pair that is made at `made_at` (whole seconds), RFC 5280 section 4.1.2.5.

    `planned` is when its successor should be made; `end` is the first instant at which it is no longer valid.
    """

    made_at: datetime
    not_before: datetime
    planned: datetime
    end: datetime

    @property
    def not_after(self) -> datetime:
        """The last second of validity, as the certificates carry it: notAfter is inclusive."""
        return self.end - timedelta(seconds=1)


@dataclass(frozen=True)
class Schedule:
    """The settings of renewal: every `interval_days` at `time_of_day` (hours and minutes) in `zone`. That time of a local
    day is called T (rule time-of-day).
    """

    interval_days: int
    time_of_day: time
    overlap_days: int
    zone: ZoneInfo

    @property
    def interval(self) -> timedelta:
        return timedelta(days=self.interval_days)

    @property
    def overlap(self) -> timedelta:
        return timedelta(days=self.overlap_days)

    @property
    def reserve(self) -> timedelta:
        """What has to be left of a pair when its successor is due: the overlap, at least one hour."""
        return max(self.overlap, LEAST_OVERLAP)

    def plan(self, made_at: datetime) -> PairPlan:
        """The dates of a pair made at this instant (rule validity)."""
        made_at = made_at.astimezone(UTC).replace(microsecond=0)
        planned = self.nearest(made_at + self.interval)
        return PairPlan(made_at=made_at, not_before=made_at - BACKDATING, planned=planned, end=planned + self.reserve)

    def plan_found(self, *, not_before: datetime, end: datetime) -> PairPlan:
        """The dates of a pair of which only the certificates are known: as if it had been made with the overlap that is set
        now, or with half of its validity where that is less (rule adopting).
        """
        made_at = min(not_before + BACKDATING, end)
        return PairPlan(
            made_at=made_at, not_before=not_before, planned=end - min(self.reserve, (end - made_at) / 2), end=end
        )

    def nearest(self, instant: datetime) -> datetime:
        """The T nearest to this instant; of two equally near the earlier."""
        return min(self._around(instant), key=lambda t: (abs(t - instant), t))

    def first_from(self, instant: datetime) -> datetime:
        """The first T at or after this instant."""
        return min(t for t in self._around(instant) if t >= instant)

    def last_until(self, instant: datetime) -> datetime:
        """The last T at or before this instant."""
        return max(t for t in self._around(instant) if t <= instant)

    @lru_cache(maxsize=256)  # noqa: B019 - a few schedules at a time; each is asked for the same days again and again
    def time_on(self, day: date) -> datetime | None:
        """T of this local day, None where the zone left the whole day out (Apia, 30 December 2011)."""
        wall = datetime.combine(day, self.time_of_day)
        by_offset_before, by_offset_after = (
            wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
        shown = [instant for instant in (by_offset_before, by_offset_after) if self._wall(instant) == wall]
        if shown:
            return min(shown)
        # In a gap the later offset gives the earlier instant, so the jump lies between the two (PEP 495).
        return self._after_gap(day, by_offset_after, by_offset_before)

    def _after_gap(self, day: date, before: datetime, after: datetime) -> datetime | None:
        offset_before, offset_after = self._offset(before), self._offset(after)
        seconds = range(int((after - before).total_seconds()))
        passed = bisect_left(seconds, offset_after, key=lambda s: self._offset(before + timedelta(seconds=s)))
        jump = before + timedelta(seconds=passed)
        midnight = datetime.combine(day, time())
        gap_from, gap_to = (jump.replace(tzinfo=None) + offset for offset in (offset_before, offset_after))
        if gap_from <= midnight and gap_to >= midnight + timedelta(days=1):
            return None
        # Local mean times end at odd seconds; T is a whole minute on the wall.
        return jump + timedelta(seconds=-gap_to.second % 60)

    def _around(self, instant: datetime) -> tuple[datetime, ...]:
        return self._around_day(instant.astimezone(self.zone).date())

    @lru_cache(maxsize=256)  # noqa: B019 - as `time_on`
    def _around_day(self, today: date) -> tuple[datetime, ...]:
        # Two days to either side: a neighbouring day can be left out, or have been there once already.
        times = (self.time_on(today + timedelta(days=days)) for days in range(-2, 3))
        return tuple(t for t in times if t is not None)

    def _wall(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def _offset(self, instant: datetime) -> timedelta:
        return self._wall(instant) - instant.replace(tzinfo=None)
