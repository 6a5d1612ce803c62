"""Local times of a clock that names no zone, as instants: where one may be either of two, it is the older (rule kamailio-asked)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

HALF_A_STEP = timedelta(minutes=7, seconds=30)
"""The offsets of zones differ by quarters of an hour, so a clock that is further away is wrong, or another zone's."""
SUMMER_TIME = timedelta(hours=1)


@dataclass(frozen=True)
class LocalClock:
    """A clock that is `ahead` of UTC and of ours now. `zones`: those of which it may be, with how far it is wrong then."""

    ahead: timedelta
    zones: tuple[tuple[tzinfo, timedelta], ...] = ()

    @classmethod
    def that_says(cls, local: datetime, now: datetime, *, zone: tzinfo) -> LocalClock:
        """`local`: what it says when it is `now`. It may be of this zone, or of UTC, as servers often are."""
        ahead = local.replace(tzinfo=UTC) - now
        wrong = ((one, ahead - (now.astimezone(one).utcoffset() or timedelta())) for one in (zone, UTC))
        return cls(ahead, tuple((one, by) for one, by in wrong if abs(by) < HALF_A_STEP))

    def instant(self, local: datetime) -> datetime:
        """When it said so, at the earliest: in the hour that comes twice when summer time ends, the first time; before that hour it was
        further ahead than now. Of a zone that is not known it may have been so at any time.
        """
        if not self.zones:
            return local.replace(tzinfo=UTC) - self.ahead - SUMMER_TIME
        return min(self._instants(local))

    def _instants(self, local: datetime) -> Iterator[datetime]:
        """In each zone both, which are one but for two hours a year; one that was left out in spring is before the gap, too."""
        for zone, wrong in self.zones:
            for fold in (0, 1):
                yield local.replace(tzinfo=zone, fold=fold).astimezone(UTC) - wrong
