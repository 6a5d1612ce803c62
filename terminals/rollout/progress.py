"""How far a rollout is and what comes next; and what a rollout would mean, before its generation is made."""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.utils.translation import gettext as _

from certificates.renewal.handover import DeliveryMethod, Forecast
from certificates.renewal.situation import Situation
from terminals.drivers.registry import AUTOMATIC_METHODS, BY_HAND_METHODS, RESTARTING_METHODS, driver_of
from terminals.models import DeliverySettings, Installation, Rollout
from terminals.rollout import waves
from terminals.rollout.target import (
    delivery_settings,
    groups_in_force,
    may_restart,
    rollout_in_force,
    rollout_target,
    terminal_groups,
)
from terminals.rollout.waves import TerminalGroup
from terminals.states import CLAIMABLE, IN_FLIGHT, SETTLED, UNDER_WAY, DeliveryState, Wave
from terminals.tally import counts as tally

# From the NOTIFY to the fetch of the trust file: a restart, DHCP, the files, the registration.
A_RESTART_TAKES = timedelta(minutes=3)
AN_EXCHANGE_TAKES = timedelta(seconds=5)


@dataclass(frozen=True)
class WaveRow:
    """One method and wave: how many terminals are in which state."""

    method: str
    wave: Wave
    states: Counter[DeliveryState]
    is_open: bool

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def confirmed(self) -> int:
        return self.states[DeliveryState.CONFIRMED]

    @property
    def skipped(self) -> int:
        return self.states[DeliveryState.SKIPPED]

    @property
    def left(self) -> int:
        return self.total - self.confirmed - self.skipped

    @property
    def full(self) -> int:
        """How many are asked no more, because they take no further trust anchor (rule full-list)."""
        return self.states[DeliveryState.FULL] if self.wave != Wave.BY_HAND else 0


@dataclass(frozen=True)
class RolloutProgress:
    """How far a rollout is. When it goes on, and when it ends, is worked out only where somebody wants to know it."""

    situation: Situation
    rollout: Rollout
    groups: list[TerminalGroup]

    @cached_property
    def rows(self) -> tuple[WaveRow, ...]:
        return _rows(self.groups, waves.open_waves(self.groups))

    @cached_property
    def states(self) -> Counter[DeliveryState]:
        return _states(self.groups)

    @cached_property
    def restarts_allowed(self) -> bool:
        return may_restart(self.situation, self.rollout, self._delivery, self.situation.clock.best)

    @cached_property
    def next_at(self) -> datetime | None:
        """When the next terminals are asked; None where nothing is left to ask, or a person has to go on first."""
        return _next_at(self.situation, self.rollout, self._delivery, self.groups, restart=self.restarts_allowed)

    @cached_property
    def ends_at(self) -> datetime | None:
        """When all terminals that are there will have confirmed if nothing fails; None where only a person can say."""
        return _ends_at(self.situation, self.rollout, self._delivery, self.groups, restart=self.restarts_allowed)

    @property
    def _delivery(self) -> DeliverySettings:
        return self.situation.once(delivery_settings)

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def done(self) -> int:
        """How many have confirmed or were skipped."""
        return sum(self.states[state] for state in SETTLED)

    @property
    def in_flight(self) -> int:
        return sum(self.states[state] for state in IN_FLIGHT)

    @property
    def needs_person(self) -> int:
        """How many are left on the work list: by hand, or because their list is full."""
        return sum(row.left if row.wave == Wave.BY_HAND else row.full for row in self.rows)

    @property
    def left_to_restart(self) -> int:
        """How many telephones have not taken it yet and restart for it."""
        return self._left(RESTARTING_METHODS)

    @property
    def left_in_service(self) -> int:
        return self._left([method for method in AUTOMATIC_METHODS if method not in RESTARTING_METHODS])

    def _left(self, methods: Collection[str]) -> int:
        ours = [row for row in self.rows if row.wave != Wave.BY_HAND and row.method in methods]
        return sum(row.left - row.full for row in ours)

    @property
    def is_complete(self) -> bool:
        return all(state in SETTLED for state, count in self.states.items() if count)


def progress_in_force(situation: Situation) -> RolloutProgress | None:
    """As `rollout_progress`, for a page, of which other parts read the same."""
    rollout = situation.once(rollout_in_force)
    return rollout_progress(situation, rollout, situation.once(groups_in_force)) if rollout is not None else None


def rollout_progress(
    situation: Situation, rollout: Rollout | None = None, groups: list[TerminalGroup] | None = None
) -> RolloutProgress | None:
    """Of the rollout in force, or of this one. At most five queries, whatever the number of terminals. `groups`: where somebody has
    read already how they stand.
    """
    rollout = rollout or rollout_in_force(situation)
    if rollout is None:
        return None
    return RolloutProgress(situation, rollout, terminal_groups(rollout.generation) if groups is None else groups)


def _states(groups: list[TerminalGroup]) -> Counter[DeliveryState]:
    counted: Counter[DeliveryState] = Counter()
    for group in groups:
        counted[group.state] += group.count
    return counted


def _rows(groups: list[TerminalGroup], open_waves: dict[str, Wave]) -> tuple[WaveRow, ...]:
    kinds = sorted({(group.method, group.wave) for group in groups})
    return tuple(
        WaveRow(
            method,
            wave,
            _states([group for group in groups if (group.method, group.wave) == (method, wave)]),
            is_open=open_waves.get(method) == wave,
        )
        for method, wave in kinds
    )


def _next_at(
    situation: Situation, rollout: Rollout, delivery: DeliverySettings, groups: list[TerminalGroup], *, restart: bool
) -> datetime | None:
    if rollout.state != Rollout.State.RUNNING:
        return None
    now = situation.clock.best
    left = {group.method for group in groups if group.method in AUTOMATIC_METHODS and group.state in CLAIMABLE}
    if not left:
        return None
    asked_now = left if restart else left.difference(RESTARTING_METHODS)
    if not asked_now:
        return restarts_at(situation, delivery)
    rows = Installation.objects.of(rollout.generation_id).of_enabled_terminals().of_methods(asked_now)
    # The state and the wave lead to the next one by the index, without a look at the others.
    kinds = {(group.state, group.wave) for group in groups if group.method in asked_now and group.state in CLAIMABLE}
    earliest = []
    for state, wave in sorted(kinds):
        alike = rows.in_state(state).filter(wave=wave)
        if alike.filter(next_at=None).exists():
            return now
        earliest.append(alike.order_by("next_at").values_list("next_at", flat=True).first())
    return max(now, min((at for at in earliest if at is not None), default=now))


def restarts_at(situation: Situation, delivery: DeliverySettings) -> datetime:
    """When the window opens next, or the last day before the deadline begins."""
    night = waves.next_restarts(situation.settings.schedule, delivery.window_hours, situation.clock.best)
    target = rollout_target(situation)
    if target is not None and target.pending and target.deadline is not None:
        return min(night, max(target.deadline - waves.LAST_DAY_BEFORE_DEADLINE, situation.clock.best))
    return night


def _ends_at(
    situation: Situation, rollout: Rollout, delivery: DeliverySettings, groups: list[TerminalGroup], *, restart: bool
) -> datetime | None:
    if rollout.state != Rollout.State.RUNNING:
        return None
    left = Counter[str]()
    for group in groups:
        if group.method in AUTOMATIC_METHODS and group.state in UNDER_WAY:
            left[group.method] += group.count
    if not left:
        return None
    return situation.clock.best + _duration(situation, delivery, left, restart=restart)


def _duration(situation: Situation, delivery: DeliverySettings, left: Counter[str], *, restart: bool) -> timedelta:
    """From now until all of these have been asked and are back, with the nights that lie between."""
    now, schedule = situation.clock.best, situation.settings.schedule
    in_service = sum(count for method, count in left.items() if method not in RESTARTING_METHODS)
    restarting = sum(count for method, count in left.items() if method in RESTARTING_METHODS)
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


def forecast_generation(situation: Situation) -> Forecast:
    """Two queries, whatever the number of terminals."""
    left: Counter[str] = Counter()
    gap = 0
    for method, only_one, count in tally.enabled_by_method():
        left[method] += count
        gap += count if only_one else 0
    delivery, now = situation.once(delivery_settings), situation.clock.best
    automatic = Counter({method: count for method, count in left.items() if method in AUTOMATIC_METHODS})
    restarting = sum(count for method, count in left.items() if method in RESTARTING_METHODS)
    night = waves.next_restarts(situation.settings.schedule, delivery.window_hours, now)
    return Forecast(
        exchanged_in_service=automatic.total() - restarting,
        restarting=restarting,
        by_hand=left.total() - automatic.total(),
        gap=gap,
        restarts_at=night if restarting else None,
        ends_at=now + _duration(situation, delivery, automatic, restart=False) if automatic else None,
        deliveries=[(one, left[method]) for method, one in deliveries() if left[method]],
    )


def deliveries() -> list[tuple[str, DeliveryMethod]]:
    """Each method in words, those that need a person last."""
    return [
        (method, DeliveryMethod(_(driver_of(method).label), _(driver_of(method).summary)))
        for method in [*AUTOMATIC_METHODS, *BY_HAND_METHODS]
    ]
