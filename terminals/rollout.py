"""One generation to all terminals: a round of the heartbeat, and what a person can do with it (DESIGN 3.6, 3.7).

`reconcile` makes and ends rollouts and gives every terminal its place; `run` claims, sends and records, for less than a
minute. Both may be interrupted anywhere and repeated: what was claimed is not claimed again before it could have confirmed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from django.db import OperationalError
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from certificates.models import Generation, Switch
from certificates.situation import Situation
from terminals import claims, served_first, waves
from terminals.batches import execute, inserts
from terminals.claims import Answered, Ask, ClaimLost
from terminals.drivers.registry import drivers
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from terminals.waves import Group, Limits, Newcomer, Sizes, State, Wave

Running = Rollout.State

logger = logging.getLogger(__name__)

# A heartbeat comes every minute, and the longest answer takes 32 s (RFC 3261 timer F) after the last claim.
CLAIMS_FOR = timedelta(seconds=22)
ANSWERS_FOR = timedelta(seconds=35)
# Where somebody waits for the worker.
HURRIED_ANSWERS_FOR = timedelta(seconds=5)
# Terminals that are exchanged in service are back in moments; for those that restart the next heartbeat is soon enough.
SHORTEST_PAUSE = timedelta(milliseconds=50)
LONGEST_PAUSE = timedelta(seconds=1.5)
# Who is next costs a look at all terminals: a fifth of the places is worth it, and a single one after a second.
WORTH_A_CLAIM = 5
ANY_PLACE_AFTER = timedelta(seconds=1)
# The listeners answer from a copy of the database: a terminal that is back in moments must not get the bundle of before.
LISTENERS_KNOW_WITHIN = timedelta(seconds=6)

AUTOMATIC = [driver.method.value for driver in drivers().values() if driver.capabilities.automatic]
RESTARTING = [driver.method.value for driver in drivers().values() if driver.capabilities.restarts]
ANSWERS_WITHIN = max(driver.capabilities.answers_within for driver in drivers().values())


class Sender(Protocol):
    """Sends NOTIFYs while its caller does something else, and hands over what came of them."""

    def ask(self, asks: Sequence[Ask]) -> None: ...

    def answers(self, within: timedelta) -> list[Answered]:
        """What has come since the last call; waits for the first, at most so long."""
        ...


class Stopwatch(Protocol):
    def elapsed(self) -> timedelta: ...

    def pause(self, span: timedelta) -> None: ...


class Monotonic:
    """Time since it was made; nobody can set it."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._start)

    def pause(self, span: timedelta) -> None:
        time.sleep(span.total_seconds())


# -- which generation, and who is to get it ----------------------------------------------------------------------------


def target_of(situation: Situation) -> Generation | None:
    """The generation that terminals are to get: the prepared or held one, else the active one while it is worth it."""
    pair = situation.pending or situation.active
    if pair is None or pair.withdrawn_at is not None or situation.has_ended(pair):
        return None
    return pair


def concerned(target: Generation) -> QuerySet[Terminal]:
    """Who is to get it. Types that hold only one certificate are due at the switch, not before."""
    terminals = Terminal.objects.filter(enabled=True)
    return terminals.filter(type__holds_only_one=False) if target.pending else terminals


def in_force(situation: Situation) -> Rollout | None:
    """The rollout of the generation that terminals are to get; None where there is none yet."""
    target = target_of(situation)
    return Rollout.objects.filter(generation=target).first() if target else None


def survey(target: Generation) -> list[Group]:
    """How its terminals stand, in groups. One query, whatever their number."""
    installed = Installation.objects.filter(generation=target, terminal__enabled=True)
    if target.pending:
        installed = installed.filter(terminal__type__holds_only_one=False)
    rows = (
        installed.order_by()
        .annotate(put_off=Q(postponed__gt=0))
        .values_list("terminal__type__method", "terminal__type", "wave", "state", "excused", "put_off")
        .annotate(count=Count("pk"))
    )
    return [
        Group(method, model, Wave(wave), State(state), count, postponed=put_off, excused=excused)
        for method, model, wave, state, excused, put_off, count in rows
    ]


# -- a round of the heartbeat ------------------------------------------------------------------------------------------


def reconcile(situation: Situation) -> Rollout | None:
    """Make, end and reopen rollouts, give everybody a place, give up what did not come back in time.

    Returns the rollout in force; None where there is nothing to hand out, or nobody to get it.
    """
    if not Terminal.objects.exists():
        return None
    now, target = situation.clock.best, target_of(situation)
    current = None
    for rollout in Rollout.objects.filter(Q(generation=target) | ~Q(state=Running.ENDED)).select_related("generation"):
        if target is not None and rollout.generation_id == target.number:
            current = rollout
        else:
            _end(rollout, now)
    if target is None:
        return None
    served_first.take_in(situation)
    if current is None:
        if not concerned(target).exists():
            return None
        current = _begin(target, now)
    elif current.state == Running.ENDED:
        _reopen(current)
    groups = survey(target)
    _take_in(target, groups)
    _follow_moves(target, groups)
    if situation.active is not None and situation.active.number < target.number and target.held_because:
        _ask_again_for(situation.active, target)
    if any(group.state in waves.IN_FLIGHT for group in groups):
        claims.give_up(target.number, within=ANSWERS_WITHIN, now=now)
    return current


def _begin(target: Generation, now: datetime) -> Rollout:
    return Rollout.objects.get_or_create(
        generation=target, defaults={"started_at": now, "restart_now": target.restart_now}
    )[0]


def _end(rollout: Rollout, now: datetime) -> None:
    generation = rollout.generation
    if generation.withdrawn_at is not None:
        because = Rollout.Ended.WITHDRAWN
    elif _has_successor(generation):
        because = Rollout.Ended.REPLACED
    elif generation.discarded_at is not None:
        because = Rollout.Ended.DISCARDED
    else:
        because = Rollout.Ended.OVER
    Rollout.objects.filter(pk=rollout.pk).exclude(state=Running.ENDED).update(
        state=Running.ENDED, ended_at=now, ended_because=because
    )


def _has_successor(generation: Generation) -> bool:
    """Whether a newer pair is handed out instead."""
    handed_out = [Generation.State.PREPARED, Generation.State.HELD, Generation.State.ACTIVE]
    return Generation.objects.filter(number__gt=generation.number, state__in=handed_out).exists()


def _reopen(rollout: Rollout) -> None:
    """What had taken its place was discarded or withdrawn."""
    Rollout.objects.filter(pk=rollout.pk, state=Running.ENDED).update(
        state=Running.RUNNING, ended_at=None, ended_because=""
    )
    rollout.state, rollout.ended_at, rollout.ended_because = Running.RUNNING, None, ""


def _take_in(target: Generation, groups: Sequence[Group]) -> None:
    """A place for every terminal that has none yet."""
    known = Installation.objects.filter(generation=target, terminal=OuterRef("pk"))
    without = concerned(target).exclude(Exists(known)).order_by("pk")
    newcomers = [
        Newcomer(key, model, automatic=method in AUTOMATIC, seen=seen)
        for key, model, method, seen in without.values_list("pk", "type", "type__method", "last_contact")
    ]
    if not newcomers:
        return
    delivery = DeliverySettings.load()
    assigned = waves.assign(
        newcomers,
        Sizes(delivery.waves, delivery.second_wave_percent, delivery.third_wave_percent),
        known={group.model for group in groups if group.wave == Wave.FIRST},
        seed=target.number,
    )
    rows = [{"generation": target.number, "terminal": key, "wave": wave.value} for key, wave in assigned.items()]
    execute(inserts(Installation, rows))


def _follow_moves(target: Generation, groups: Sequence[Group]) -> None:
    """A terminal whose type has become one of another method belongs on the work list, or in a wave."""
    rows = Installation.objects.filter(generation=target)
    automatic = Q(terminal__type__method__in=AUTOMATIC)
    if any(group.method in AUTOMATIC and group.wave == Wave.BY_HAND for group in groups):
        rows.filter(automatic, wave=Wave.BY_HAND).update(wave=Wave.REST)
    if any(group.method not in AUTOMATIC and group.wave != Wave.BY_HAND for group in groups):
        rows.exclude(automatic).exclude(wave=Wave.BY_HAND).update(wave=Wave.BY_HAND)


def _ask_again_for(active: Generation, target: Generation) -> None:
    """After a roll back: who trusts the held pair alone has no calls, and gets the bundle of both."""
    trusting = Installation.objects.filter(generation=active, terminal=OuterRef("terminal"), confirmed_at__isnull=False)
    Installation.objects.filter(generation=target, state=State.CONFIRMED.value).exclude(Exists(trusting)).update(
        state=State.WAITING.value, next_at=None, postponed=0
    )


# -- asking ------------------------------------------------------------------------------------------------------------


def may_restart(situation: Situation, rollout: Rollout, delivery: DeliverySettings, now: datetime) -> bool:
    """Whether terminals may be restarted now (DESIGN 3.7): in the window of the night, where a person or the generation said
    so, in the last 24 hours before the deadline, or where the pair that they still trust carries no calls any more.
    """
    target = target_of(situation)
    if waves.restarts_until(situation.settings.schedule, delivery.window_hours, now) or rollout.restart_now:
        return True
    if target is None:
        return False
    if target == situation.pending:
        near = target.deadline is not None and now >= target.deadline - waves.LAST_DAY
        return near or not situation.active_is_served
    forced = [Switch.Why.ENDED, Switch.Why.WITHDRAWAL]
    return Switch.objects.filter(to=target, why__in=forced).exists()


def run(
    situation: Situation,
    rollout: Rollout,
    sender: Sender,
    *,
    stopwatch: Stopwatch | None = None,
    others_wait: Callable[[], bool] = lambda: False,
) -> None:
    """Ask, as long as there is somebody to ask, for less than a minute; then wait for the answers.

    `others_wait`: whether the worker has something else to do; asked again and again, also while answers are awaited.
    """
    stopwatch = stopwatch or Monotonic()
    delivery = DeliverySettings.load()
    start = situation.clock.best
    asked: dict[int, Ask] = {}
    came: list[Answered] = []
    pause = SHORTEST_PAUSE
    until: timedelta | None = None
    hurried = False
    claimed_at: timedelta | None = None
    _wait_for_the_listeners(situation, rollout, delivery, stopwatch, others_wait)
    while True:
        now = start + stopwatch.elapsed()
        if not hurried and others_wait():
            hurried = True
            soon = stopwatch.elapsed() + HURRIED_ANSWERS_FOR
            until = soon if until is None else min(until, soon)
        elif until is None and stopwatch.elapsed() >= CLAIMS_FOR:
            until = stopwatch.elapsed() + ANSWERS_FOR
        patient = claimed_at is not None and stopwatch.elapsed() < claimed_at + ANY_PLACE_AFTER
        least = max(delivery.at_once // WORTH_A_CLAIM, 1) if patient else 1
        try:
            asks, wait_for_more = _step(situation, rollout, delivery, least, now) if until is None else ([], False)
        except (OperationalError, ClaimLost) as error:
            # Nobody was claimed. Who was before is still waited for: an answer that is lost could cost a second restart.
            logger.warning("nobody else of generation %s is asked in this round: %s", rollout.generation_id, error)
            asks, wait_for_more = [], False
            until = stopwatch.elapsed() + ANSWERS_FOR
        if asks:
            claimed_at = stopwatch.elapsed()
            asked.update((ask.key, ask) for ask in asks)
            sender.ask(asks)
        pause = SHORTEST_PAUSE if asks else min(pause * 3 / 2, LONGEST_PAUSE)
        if asked:
            came += sender.answers(pause)
            if came and _are_recorded(came, now=start + stopwatch.elapsed()):
                for answer in came:
                    del asked[answer.ask.key]
                came.clear()
                pause = SHORTEST_PAUSE
            if until is not None and stopwatch.elapsed() >= until:
                break
        elif wait_for_more and pause < LONGEST_PAUSE:
            stopwatch.pause(pause)
        else:
            break
    claims.interrupted(list(asked.values()), now=start + stopwatch.elapsed())


def _wait_for_the_listeners(
    situation: Situation,
    rollout: Rollout,
    delivery: DeliverySettings,
    stopwatch: Stopwatch,
    others_wait: Callable[[], bool],
) -> None:
    """Where the pair has just been made and somebody may be asked; not where the worker has something else to do."""
    target, now = target_of(situation), situation.clock.best
    if target is None or target.made_at is None or now >= target.made_at + LISTENERS_KNOW_WITHIN:
        return
    if _askable(survey(target), restart=may_restart(situation, rollout, delivery, now)) is None:
        return
    left = min(target.made_at + LISTENERS_KNOW_WITHIN - now, LISTENERS_KNOW_WITHIN)
    while stopwatch.elapsed() < left and not others_wait():
        stopwatch.pause(min(left - stopwatch.elapsed(), ANY_PLACE_AFTER))


def _are_recorded(answers: Sequence[Answered], *, now: datetime) -> bool:
    """Where another process has locked the database they are kept, and recorded with those that come next."""
    try:
        claims.record(answers, now=now)
    except OperationalError as error:
        logger.warning("%d answers of terminals wait for the database: %s", len(answers), error)
        return False
    return True


def _step(
    situation: Situation, rollout: Rollout, delivery: DeliverySettings, least: int, now: datetime
) -> tuple[list[Ask], bool]:
    """Who is to be asked now, claimed; and whether more may be soon, when what is under way has come back. Nobody where fewer
    than `least` places are free.
    """
    target = target_of(situation)
    if target is None or target.number != rollout.generation_id:
        return [], False
    if delivery.at_once - claims.in_flight(target.number) < least:
        return [], True
    groups = survey(target)
    if waves.stops(groups, Limits(delivery.stop_percent, delivery.stop_among_first)):
        Rollout.objects.filter(pk=rollout.pk, state=Running.RUNNING).update(state=Running.STOPPED)
        return [], False
    if models := waves.models_to_replace(groups):
        _replace_first(target, models)
        groups = survey(target)
    restart = may_restart(situation, rollout, delivery, now)
    which = _askable(groups, restart=restart)
    if which is None:
        return [], False
    in_flight = sum(group.count for group in groups if group.state in waves.IN_FLIGHT and group.wave != Wave.BY_HAND)
    if not any(group.state in {State.WAITING, State.ABSENT} for group in groups):
        return [], in_flight > 0
    asks = claims.claim(target.number, which, at_once=delivery.at_once, now=now)
    return asks, bool(asks) or in_flight > 0


def _askable(groups: Sequence[Group], *, restart: bool) -> Q | None:
    """Which installations may be claimed; None where no method may be asked at all."""
    open_waves = waves.open_waves(groups)
    which: Q | None = None
    for method in {group.method for group in groups}:
        if method in RESTARTING and not restart:
            continue
        if method not in AUTOMATIC:
            if not restart:
                continue
            # Asked once, where its type has an event string; only a person confirms it.
            mine = Q(wave=Wave.BY_HAND) & ~Q(terminal__type__event="") & (Q(attempts=0) | Q(next_at__isnull=False))
        else:
            # What was put off once is asked again whatever its wave.
            mine = ~Q(wave=Wave.BY_HAND) & (Q(state=State.ABSENT.value) | Q(postponed__gt=0))
            if method in open_waves:
                mine |= Q(wave=open_waves[method])
        mine &= Q(terminal__type__method=method)
        which = mine if which is None else which | mine
    return which


def _replace_first(target: Generation, models: set[int]) -> None:
    """Let the next terminal of each model be its first, because those that were are not there."""
    for model in sorted(models):
        successor = (
            Installation.objects.filter(
                generation=target,
                terminal__in=concerned(target).filter(type=model),
                state=State.WAITING.value,
                postponed=0,
                wave__gt=Wave.FIRST,
            )
            .order_by(F("terminal__last_contact").desc(nulls_last=True), "pk")
            .first()
        )
        if successor is not None:
            Installation.objects.filter(pk=successor.pk, state=State.WAITING.value).update(wave=Wave.FIRST)
