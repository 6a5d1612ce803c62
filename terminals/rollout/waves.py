"""Who is asked when: waves, the hours of restarts, when to stop, when to ask again (rules waves, stop-rule, absent).

Pure: no Django, no clock, no database. Every instant is an aware datetime in UTC. Waves go by method of delivery: terminals
that need no restart do not wait for the night of those that do.
"""

import math
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from certificates.pki.schedule import Schedule
from terminals.states import NOT_ASKED_YET, PASSED_OVER, UNDER_WAY, DeliveryState, Wave

AN_HOUR = timedelta(hours=1)
LAST_DAY_BEFORE_DEADLINE = timedelta(hours=24)
"""Telephones are then restarted at any hour (rule restart-outside)."""
PUT_OFF_AT_MOST = 10
"""So often in a row who is said to be in a call: with the times between them that is five hours of restarts, so that nobody who talks
through a whole night as it is preset is cut off (rule kamailio-asked).
"""


@dataclass(frozen=True)
class WaveSizes:
    """The second and third wave in percent of the automatic terminals; `waves` off: one wave."""

    waves: bool = True
    second_percent: int = 5
    third_percent: int = 25


@dataclass(frozen=True)
class StopLimits:
    """When a rollout stops: more than `percent` of a wave have failed, or `among_first` terminals of the first wave."""

    percent: int = 5
    among_first: int = 2


@dataclass(frozen=True)
class Newcomer:
    """A terminal that has no wave yet. `model`: terminals of the same number are alike; `seen`: its last contact."""

    id: int
    model: int
    automatic: bool
    seen: datetime | None = None


@dataclass(frozen=True)
class TerminalGroup:
    """Terminals of one rollout that are alike in all of this, and how many they are.

    `postponed`: each was absent, busy or unproved at least once. `excused`: a person has continued in spite of their failure.
    """

    method: str
    model: int
    wave: Wave
    state: DeliveryState
    count: int
    postponed: bool = False
    excused: bool = False

    @property
    def is_waited_for(self) -> bool:
        """Whether the next wave waits for these terminals. It does not wait for those that were absent or busy."""
        return self.wave != Wave.BY_HAND and self.state in UNDER_WAY and not self.postponed

    @property
    def is_away(self) -> bool:
        """Whether nothing shows that these terminals were there when they were asked."""
        return self.state == DeliveryState.ABSENT or (self.state == DeliveryState.UNPROVED and self.postponed)


# -- who belongs to which wave -----------------------------------------------------------------------------------------


def assign_waves(
    newcomers: Iterable[Newcomer], sizes: WaveSizes, *, known: Collection[int] = (), seed: int = 0
) -> dict[int, Wave]:
    """A wave for each (rule waves). A newcomer of a `known` model is among the rest; the others are mixed by `seed`."""
    assigned: dict[int, Wave] = {}
    fresh: list[Newcomer] = []
    for newcomer in newcomers:
        if not newcomer.automatic:
            assigned[newcomer.id] = Wave.BY_HAND
        elif not sizes.waves or newcomer.model in known:
            assigned[newcomer.id] = Wave.REST
        else:
            fresh.append(newcomer)
    by_model = sorted(fresh, key=lambda one: (one.model, -_seconds(one.seen), one.id))
    first = [next(alike).id for _model, alike in groupby(by_model, key=lambda one: one.model)]
    assigned.update(dict.fromkeys(first, Wave.FIRST))
    others = sorted(
        (one.id for one in fresh if one.id not in assigned), key=lambda key: (zlib.crc32(f"{seed}/{key}".encode()), key)
    )
    second = math.ceil(len(fresh) * sizes.second_percent / 100)
    third = second + math.ceil(len(fresh) * sizes.third_percent / 100)
    for place, key in enumerate(others):
        assigned[key] = Wave.SECOND if place < second else Wave.THIRD if place < third else Wave.REST
    return assigned


def _seconds(seen: datetime | None) -> float:
    return seen.timestamp() if seen else -math.inf


def models_to_replace(groups: Iterable[TerminalGroup]) -> set[int]:
    """Models whose first ones are all absent, busy, full or skipped while another that was not asked yet could take their place."""
    tried: set[int] = set()
    left: set[int] = set()
    settled: set[int] = set()
    for group in groups:
        if group.wave == Wave.FIRST:
            tried.add(group.model)
            if group.is_waited_for or group.state in {DeliveryState.CONFIRMED, DeliveryState.FAILED}:
                settled.add(group.model)
        elif group.wave != Wave.BY_HAND and group.state in NOT_ASKED_YET and not group.postponed:
            left.add(group.model)
    return (tried & left) - settled


# -- which wave is open, and when to stop ------------------------------------------------------------------------------


def open_waves(groups: Iterable[TerminalGroup]) -> dict[str, Wave]:
    """By delivery method the wave whose terminals may be asked now (rules waves, first-wave). A method is left out if
    nobody is left to wait for.
    """
    groups = list(groups)
    waves: dict[str, Wave] = {}
    for method in {group.method for group in groups}:
        ours = [group for group in groups if group.method == method and group.wave != Wave.BY_HAND]
        waited_for = [group.wave for group in ours if group.is_waited_for]
        if not waited_for:
            continue
        first = [group for group in ours if group.wave == Wave.FIRST and group.state not in PASSED_OVER]
        tried = not first or any(group.state == DeliveryState.CONFIRMED or group.excused for group in first)
        waves[method] = min(waited_for) if tried else Wave.FIRST
    return waves


def stops(groups: Iterable[TerminalGroup], limits: StopLimits) -> bool:
    """Whether too many terminals have failed (rule stop-rule)."""
    groups = [group for group in groups if group.wave != Wave.BY_HAND and group.state not in PASSED_OVER]
    first = [group for group in groups if group.wave == Wave.FIRST]
    there = sum(group.count for group in first if not group.is_away and not group.excused)
    failed = sum(group.count for group in first if _counts_as_failed(group))
    if failed and failed >= min(limits.among_first, there):
        return True
    for wave in {(group.method, group.wave) for group in groups if group.wave != Wave.FIRST}:
        alike = [group for group in groups if (group.method, group.wave) == wave]
        failed = sum(group.count for group in alike if _counts_as_failed(group))
        if failed * 100 > limits.percent * sum(group.count for group in alike):
            return True
    return False


def _counts_as_failed(group: TerminalGroup) -> bool:
    return group.state == DeliveryState.FAILED and not group.excused


# -- when --------------------------------------------------------------------------------------------------------------


def restarts_until(schedule: Schedule, hours: int, now: datetime) -> datetime | None:
    """The end of the window that is open now; None where none is. A window is `hours` x 3600 s from the T of each local day."""
    end = schedule.last_until(now) + hours * AN_HOUR
    return end if now < end else None


def next_restarts(schedule: Schedule, hours: int, now: datetime) -> datetime:
    """Now where the window is open, else when the next one opens."""
    return now if restarts_until(schedule, hours, now) else schedule.first_from(now)


def back_off(postponed: int) -> timedelta:
    """How long a terminal that was not there, or had no time, is left alone (rule absent). `postponed`: how often in a row
    that was so, at least once.
    """
    return min(AN_HOUR, timedelta(minutes=2 ** min(postponed - 1, 6)))
