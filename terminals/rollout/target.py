"""What terminals are to get now, who is to get it, how far they are, and whether they may be restarted for it."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet

from certificates.models import Generation, Switch
from certificates.renewal.situation import Situation
from pbxcerts.system.database.prepared import prepared, prepared_values
from terminals.models import DeliverySettings, Rollout
from terminals.rollout import waves
from terminals.rollout.waves import TerminalGroup
from terminals.states import DeliveryState, Wave
from terminals.tally.models import InstallationTally


def rollout_target(situation: Situation) -> Generation | None:
    """The generation that terminals are to get (rule what-is-handed-out). Downloads give no held pair
    (`certificates.downloads.pair_to_download`).
    """
    pair = situation.pending or situation.active
    if pair is None or pair.withdrawn_at is not None or situation.has_ended(pair):
        return None
    return pair


def rollout_in_force(situation: Situation) -> Rollout | None:
    """The rollout of the generation that terminals are to get; None where there is none yet."""
    target = rollout_target(situation)
    rollout = next(iter(_rollout_of(target.number)), None) if target else None
    if rollout is not None and target is not None:
        rollout.generation = target
    return rollout


@prepared
def _rollout_of(generation: int) -> QuerySet[Rollout]:
    return Rollout.objects.filter(generation=generation).order_by()


def delivery_settings(_situation: Situation) -> DeliverySettings:
    """For `Situation.once`."""
    return DeliverySettings.load()


def terminal_groups(target: Generation) -> list[TerminalGroup]:
    """How the terminals that are to get this generation stand, in groups of equal ones; several groups may be alike. One query, of the
    tallies.
    """
    return list(_as_groups(tuple(_groups(target.number)), pending=target.pending))


@lru_cache(maxsize=8)
def _as_groups(rows: tuple[tuple[Any, ...], ...], *, pending: bool) -> tuple[TerminalGroup, ...]:
    """Between two changes of the tallies, which each page reads, they are made once."""
    return tuple(
        TerminalGroup(
            method, model, Wave(wave), DeliveryState(state), count, postponed=bool(put_off), excused=bool(excused)
        )
        for method, model, wave, state, excused, put_off, only_one, count in rows
        if not (pending and only_one)
    )


def groups_in_force(situation: Situation) -> list[TerminalGroup]:
    """How the terminals stand that are to get something now."""
    target = rollout_target(situation)
    return terminal_groups(target) if target else []


@prepared_values
def _groups(generation: int) -> QuerySet[InstallationTally, tuple[Any, ...]]:
    # To add up those that differ in nothing that is asked here costs more than to read them.
    installed = InstallationTally.objects.filter(generation=generation, count__gt=0).of_enabled_terminals().order_by()
    alike = ("type__method", "type", "wave", "state", "excused", "put_off", "type__holds_only_one")
    return installed.values_list(*alike, "count")


def may_restart(situation: Situation, rollout: Rollout, delivery: DeliverySettings, now: datetime) -> bool:
    """Whether telephones may be restarted now (rules restart-window, restart-outside)."""
    target = rollout_target(situation)
    if waves.restarts_until(situation.settings.schedule, delivery.window_hours, now) or rollout.restart_now:
        return True
    if target is None:
        return False
    if target == situation.pending:
        near = target.deadline is not None and now >= target.deadline - waves.LAST_DAY_BEFORE_DEADLINE
        return near or not situation.active_is_served
    # A terminal that trusted no other pair had no calls any more (rule restart-outside).
    return any(why in {Switch.Why.ENDED, Switch.Why.WITHDRAWAL} for (why,) in _switched_because(target.number))


@prepared_values
def _switched_because(to: int) -> QuerySet[Switch, tuple[str]]:
    return Switch.objects.filter(to=to).order_by().values_list("why")
