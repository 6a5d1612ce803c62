"""Who is asked when: waves, the hours of restarts, when to stop, when to ask again (DESIGN 3.7).

Pure: no Django, no clock, no database. Every instant is an aware datetime in UTC. Waves go by method of delivery: terminals
that need no restart do not wait for the night of those that do.
"""

from __future__ import annotations

import enum
import math
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from certificates.pki.schedule import Schedule

AN_HOUR = timedelta(hours=1)
LAST_DAY = timedelta(hours=24)


class State(enum.StrEnum):
    """Where the delivery of one generation to one terminal stands."""

    WAITING = "waiting"
    """Nothing is under way: not asked yet, or asked again at a set time."""
    ASKED = "asked"
    """Claimed; a NOTIFY is under way."""
    HEARD = "heard"
    """It answered 200; that it has done anything is not known."""
    FETCHED = "fetched"
    """It took its configuration after it was asked, or has reported and not proved yet."""
    DOWNLOADED = "downloaded"
    """A person opened its personal link."""
    CONFIRMED = "confirmed"
    ABSENT = "absent"
    FAILED = "failed"
    SKIPPED = "skipped"


class Wave(enum.IntEnum):
    BY_HAND = 0
    """The work list; no wave at all."""
    FIRST = 1
    """One terminal of each model."""
    SECOND = 2
    THIRD = 3
    REST = 4
    """Everybody else; with waves off everybody."""


IN_FLIGHT = frozenset({State.ASKED, State.HEARD, State.FETCHED})
UNDER_WAY = IN_FLIGHT | {State.WAITING}


@dataclass(frozen=True)
class Sizes:
    """The second and third wave in percent of the automatic terminals; `waves` off: one wave."""

    waves: bool = True
    second_percent: int = 5
    third_percent: int = 25


@dataclass(frozen=True)
class Limits:
    """Stop at more than so many percent of a wave failed, or so many among the first."""

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
class Group:
    """How many terminals of a rollout are alike in this. `postponed`: each was not there, or busy, at least once."""

    method: str
    model: int
    wave: Wave
    state: State
    count: int
    postponed: bool = False
    excused: bool = False

    @property
    def is_waited_for(self) -> bool:
        """Whether the next wave waits for it: absent ones and those that had no time are excepted."""
        return self.wave != Wave.BY_HAND and self.state in UNDER_WAY and not self.postponed


# -- who belongs to which wave -----------------------------------------------------------------------------------------


def assign(
    newcomers: Iterable[Newcomer], sizes: Sizes, *, known: Collection[int] = (), seed: int = 0
) -> dict[int, Wave]:
    """A wave for each. A later newcomer of a `known` model is among the rest: its model has been tried.

    The first of a model is the one seen last, because it is most likely there. The others are mixed by `seed`, or one
    department would be a wave.
    """
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


def models_to_replace(groups: Iterable[Group]) -> set[int]:
    """Models whose first ones are all absent, busy or skipped while another that was not asked yet could take their place."""
    tried: set[int] = set()
    left: set[int] = set()
    settled: set[int] = set()
    for group in groups:
        if group.wave == Wave.FIRST:
            tried.add(group.model)
            if group.is_waited_for or group.state in {State.CONFIRMED, State.FAILED}:
                settled.add(group.model)
        elif group.wave != Wave.BY_HAND and group.state == State.WAITING and not group.postponed:
            left.add(group.model)
    return (tried & left) - settled


# -- which wave is open, and when to stop ------------------------------------------------------------------------------


def open_waves(groups: Iterable[Group]) -> dict[str, Wave]:
    """Of each method the wave whose terminals may be asked now; none where all that is left is absent or over.

    A wave waits for the terminals of the one before. The first wave lets nobody pass before one of its own has confirmed,
    or a person has gone on in spite of a failure: with the network down every terminal is absent, and nothing was tried.
    """
    groups = list(groups)
    waves: dict[str, Wave] = {}
    for method in {group.method for group in groups}:
        ours = [group for group in groups if group.method == method and group.wave != Wave.BY_HAND]
        waited_for = [group.wave for group in ours if group.is_waited_for]
        if not waited_for:
            continue
        first = [group for group in ours if group.wave == Wave.FIRST and group.state != State.SKIPPED]
        tried = not first or any(group.state == State.CONFIRMED or group.excused for group in first)
        waves[method] = min(waited_for) if tried else Wave.FIRST
    return waves


def stops(groups: Iterable[Group], limits: Limits) -> bool:
    """Whether too many have failed: more than the percentage of a wave, or so many among the first, or all first ones
    that are there. What a person has gone on in spite of does not count.
    """
    groups = [group for group in groups if group.wave != Wave.BY_HAND and group.state != State.SKIPPED]
    first = [group for group in groups if group.wave == Wave.FIRST]
    there = sum(group.count for group in first if group.state != State.ABSENT and not group.excused)
    failed = sum(group.count for group in first if _counts_as_failed(group))
    if failed and failed >= min(limits.among_first, there):
        return True
    for wave in {(group.method, group.wave) for group in groups if group.wave != Wave.FIRST}:
        alike = [group for group in groups if (group.method, group.wave) == wave]
        failed = sum(group.count for group in alike if _counts_as_failed(group))
        if failed * 100 > limits.percent * sum(group.count for group in alike):
            return True
    return False


def _counts_as_failed(group: Group) -> bool:
    return group.state == State.FAILED and not group.excused


# -- when --------------------------------------------------------------------------------------------------------------


def restarts_until(schedule: Schedule, hours: int, now: datetime) -> datetime | None:
    """The end of the window that is open now; None where none is. A window is `hours` x 3600 s from the T of each local day."""
    end = schedule.last_until(now) + hours * AN_HOUR
    return end if now < end else None


def next_restarts(schedule: Schedule, hours: int, now: datetime) -> datetime:
    """Now where the window is open, else when the next one opens."""
    return now if restarts_until(schedule, hours, now) else schedule.first_from(now)


def back_off(postponed: int) -> timedelta:
    """How long a terminal that was not there, or had no time, is left alone: 1, 2, 4 ... 60 minutes, then every hour.

    `postponed`: how often in a row that was so, at least once.
    """
    return min(AN_HOUR, timedelta(minutes=2 ** min(postponed - 1, 6)))
