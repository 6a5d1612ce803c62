"""How a rollout stands and what comes next; and what one would be before its generation is made."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from certificates.pki import handover_times
from certificates.situation import Situation
from terminals import waves
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from terminals.rollout import AUTOMATIC, RESTARTING, in_force, may_restart, survey, target_of
from terminals.waves import Group, State, Wave

# From the NOTIFY to the fetch of the trust file: a restart, DHCP, the files, the registration.
A_RESTART_TAKES = timedelta(minutes=3)
AN_EXCHANGE_TAKES = timedelta(seconds=5)
SETTLED = frozenset({State.CONFIRMED, State.SKIPPED})


@dataclass(frozen=True)
class Row:
    """One method and wave: how many terminals are in which state."""

    method: str
    wave: Wave
    states: Counter[State]
    is_open: bool

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def confirmed(self) -> int:
        return self.states[State.CONFIRMED]

    @property
    def skipped(self) -> int:
        return self.states[State.SKIPPED]


@dataclass(frozen=True)
class Progress:
    """`next_at`: when the next terminals are asked; None where nothing is left to ask, or a person has to go on first.

    `ends_at`: when all that are there will have confirmed, if nothing fails; None where that is not for the rollout to say.
    """

    rollout: Rollout
    rows: tuple[Row, ...]
    states: Counter[State]
    restarts_allowed: bool
    next_at: datetime | None
    ends_at: datetime | None

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def done(self) -> int:
        """How many have confirmed or were skipped."""
        return sum(self.states[state] for state in SETTLED)

    @property
    def in_flight(self) -> int:
        return sum(self.states[state] for state in waves.IN_FLIGHT)

    @property
    def by_hand(self) -> int:
        """How many are left on the work list."""
        return sum(row.total - row.confirmed - row.skipped for row in self.rows if row.wave == Wave.BY_HAND)

    @property
    def is_complete(self) -> bool:
        return all(state in SETTLED for state, count in self.states.items() if count)


def progress(situation: Situation, rollout: Rollout | None = None) -> Progress | None:
    """Of the rollout in force, or of this one. At most five queries, whatever the number of terminals."""
    rollout = rollout or in_force(situation)
    if rollout is None:
        return None
    delivery = DeliverySettings.load()
    groups = survey(rollout.generation)
    open_waves = waves.open_waves(groups)
    now = situation.clock.best
    restart = may_restart(situation, rollout, delivery, now)
    return Progress(
        rollout=rollout,
        rows=_rows(groups, open_waves),
        states=_states(groups),
        restarts_allowed=restart,
        next_at=_next_at(situation, rollout, delivery, groups, restart=restart),
        ends_at=_ends_at(situation, rollout, delivery, groups, restart=restart),
    )


def _states(groups: list[Group]) -> Counter[State]:
    counted: Counter[State] = Counter()
    for group in groups:
        counted[group.state] += group.count
    return counted


def _rows(groups: list[Group], open_waves: dict[str, Wave]) -> tuple[Row, ...]:
    kinds = sorted({(group.method, group.wave) for group in groups})
    return tuple(
        Row(
            method,
            wave,
            _states([group for group in groups if (group.method, group.wave) == (method, wave)]),
            is_open=open_waves.get(method) == wave,
        )
        for method, wave in kinds
    )


def _next_at(
    situation: Situation, rollout: Rollout, delivery: DeliverySettings, groups: list[Group], *, restart: bool
) -> datetime | None:
    if rollout.state != Rollout.State.RUNNING:
        return None
    now = situation.clock.best
    left = {
        group.method for group in groups if group.method in AUTOMATIC and group.state in {State.WAITING, State.ABSENT}
    }
    if not left:
        return None
    asked_now = left if restart else left.difference(RESTARTING)
    if not asked_now:
        return _restarts_at(situation, delivery)
    rows = Installation.objects.filter(
        generation=rollout.generation_id,
        terminal__enabled=True,
        terminal__type__method__in=asked_now,
        state__in=[State.WAITING.value, State.ABSENT.value],
    )
    found = rows.aggregate(ready=Count("pk", filter=Q(next_at=None)), again=Min("next_at"))
    return now if found["ready"] else max(now, found["again"])


def _restarts_at(situation: Situation, delivery: DeliverySettings) -> datetime:
    """When the window opens next, or the last day before the deadline begins."""
    night = waves.next_restarts(situation.settings.schedule, delivery.window_hours, situation.clock.best)
    target = target_of(situation)
    if target is not None and target.pending and target.deadline is not None:
        return min(night, max(target.deadline - handover_times.LAST_DAY, situation.clock.best))
    return night


def _ends_at(
    situation: Situation, rollout: Rollout, delivery: DeliverySettings, groups: list[Group], *, restart: bool
) -> datetime | None:
    if rollout.state != Rollout.State.RUNNING:
        return None
    left = Counter[str]()
    for group in groups:
        if group.method in AUTOMATIC and group.state in waves.UNDER_WAY:
            left[group.method] += group.count
    if not left:
        return None
    return situation.clock.best + _duration(situation, delivery, left, restart=restart)


def _duration(situation: Situation, delivery: DeliverySettings, left: Counter[str], *, restart: bool) -> timedelta:
    """From now until all of these have been asked and are back, with the nights that lie between."""
    now, schedule = situation.clock.best, situation.settings.schedule
    in_service = sum(count for method, count in left.items() if method not in RESTARTING)
    restarting = sum(count for method, count in left.items() if method in RESTARTING)
    quick = _rounds(in_service, delivery) * AN_EXCHANGE_TAKES
    work = _rounds(restarting, delivery) * A_RESTART_TAKES
    if restart and waves.restarts_until(schedule, delivery.window_hours, now) is None:
        return max(quick, work)
    end = now
    while work > timedelta(0):
        end = waves.next_restarts(schedule, delivery.window_hours, end)
        closes = waves.restarts_until(schedule, delivery.window_hours, end) or end
        done = min(work, closes - end)
        work -= done
        end += done
    return max(quick, end - now)


def _rounds(count: int, delivery: DeliverySettings) -> int:
    """How often `at_once` terminals are asked; each wave begins a round of its own."""
    if not count:
        return 0
    return math.ceil(count / delivery.at_once) + (3 if delivery.waves else 0)


# -- before a generation is made ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """What a generation made now would mean. `gap`: terminals that hold only one certificate and are cut off from the switch
    until they have the new one. `by_hand`: terminals that need a person, with those of them that have a gap.
    """

    restarting: int
    exchanged_in_service: int
    by_hand: int
    gap: int
    restarts_at: datetime | None
    ends_at: datetime | None


def preview(situation: Situation, *, restart_now: bool = False) -> Preview:
    """Two queries, whatever the number of terminals."""
    found = (
        Terminal.objects.filter(enabled=True)
        .order_by()
        .values_list("type__method", "type__holds_only_one")
        .annotate(count=Count("pk"))
    )
    left: Counter[str] = Counter()
    gap = 0
    for method, only_one, count in found:
        left[method] += count
        gap += count if only_one else 0
    delivery, now = DeliverySettings.load(), situation.clock.best
    automatic = Counter({method: count for method, count in left.items() if method in AUTOMATIC})
    restarting = sum(count for method, count in left.items() if method in RESTARTING)
    night = waves.next_restarts(situation.settings.schedule, delivery.window_hours, now)
    return Preview(
        restarting=restarting,
        exchanged_in_service=automatic.total() - restarting,
        by_hand=left.total() - automatic.total(),
        gap=gap,
        restarts_at=(now if restart_now else night) if restarting else None,
        ends_at=now + _duration(situation, delivery, automatic, restart=restart_now) if automatic else None,
    )
