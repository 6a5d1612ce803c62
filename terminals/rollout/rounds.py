"""One generation to all terminals: what a round of the heartbeat does for it (rule one-rollout).

`reconcile_rollouts` makes and ends rollouts and gives every terminal its place; a `RolloutRound` claims, sends and
records, for less than a minute. Both may be interrupted anywhere and repeated: what was claimed is not claimed again
before it could have confirmed.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from django.db import OperationalError
from django.db.models import Exists, F, OuterRef, Q

from certificates.models import Generation
from certificates.renewal.situation import Situation
from terminals.batches import execute, inserts, is_one_of, updates
from terminals.drivers.base import Reaction
from terminals.drivers.registry import (
    AUTOMATIC_METHODS,
    COMING_FIRST,
    FETCHING_METHODS,
    FILLING,
    IN_TURN_METHODS,
    RESTARTING_AT_FIRST,
    RESTARTING_METHODS,
    drivers,
)
from terminals.evidence import fetches
from terminals.evidence.models import Requester
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from terminals.rollout import claims, full_lists, served_first, waves
from terminals.rollout.claims import Ask, AskResult, ClaimLost
from terminals.rollout.target import (
    may_restart,
    rollout_target,
    terminal_groups,
)
from terminals.rollout.waves import Newcomer, StopLimits, TerminalGroup, WaveSizes
from terminals.states import CLAIMABLE, IN_FLIGHT, NOT_ASKED_YET, DeliveryState, Wave
from terminals.tally import counts as tally

RolloutState = Rollout.State

logger = logging.getLogger(__name__)


# A heartbeat comes every minute, and the longest answer takes 32 s (RFC 3261 timer F) after the last claim
# (rule round).
CLAIMS_FOR = timedelta(seconds=22)
ANSWERS_FOR = timedelta(seconds=35)
# Where somebody waits for the worker.
HURRIED_ANSWERS_FOR = timedelta(seconds=5)
# Terminals that are exchanged in service are back in moments; for those that restart the next heartbeat is soon enough.
SHORTEST_PAUSE = timedelta(milliseconds=50)
LONGEST_PAUSE = timedelta(seconds=1.5)
# To choose the next terminals all are read: worth it for a fifth of the places, and for a single one after a second.
WORTH_A_CLAIM = 5
ANY_PLACE_AFTER = timedelta(seconds=1)
# The listeners answer from a copy of the database: a terminal that is back in moments must not get the bundle of before.
LISTENERS_KNOW_WITHIN = timedelta(seconds=6)

PROVED_AGAIN_AT_ONCE = 1000
HAS_COME = Exists(Requester.objects.filter(terminal=OuterRef("terminal")))
BACK = (DeliveryState.HEARD, DeliveryState.FETCHED)

ANSWERS_WITHIN = max(driver.capabilities.answers_within for driver in drivers().values())


class NotifySender(Protocol):
    """Sends NOTIFYs while its caller does something else, and hands over what came of them."""

    def ask(self, asks: Sequence[Ask]) -> None: ...

    def answers(self, within: timedelta) -> list[AskResult]:
        """What has come since the last call; waits for the first, at most so long."""
        ...


class Stopwatch(Protocol):
    def elapsed(self) -> timedelta: ...

    def pause(self, span: timedelta) -> None: ...


class MonotonicStopwatch:
    """Time since it was made; nobody can set it."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._start)

    def pause(self, span: timedelta) -> None:
        time.sleep(span.total_seconds())


# -- a round of the heartbeat ------------------------------------------------------------------------------------------


def reconcile_rollouts(situation: Situation) -> Rollout | None:
    """Make, end and reopen rollouts, give everybody a place, give up what did not come back in time.

    Returns the rollout in force; None where there is nothing to hand out, or nobody to get it. Everything stays as it is
    while another root than those known here may be served (rule what-is-served-stays).
    """
    if situation.standing.rests or not Terminal.objects.exists():
        return None
    now, target = situation.clock.best, rollout_target(situation)
    current = None
    for rollout in Rollout.objects.filter(Q(generation=target) | ~Q(state=RolloutState.ENDED)).select_related(
        "generation"
    ):
        if target is not None and rollout.generation_id == target.number:
            current = rollout
        else:
            _end(rollout, now)
    if target is None:
        return None
    served_first.take_in(situation)
    if current is None:
        if not Terminal.objects.concerned_by(target).exists():
            return None
        current = _begin(target, now)
    elif current.state == RolloutState.ENDED:
        _reopen(current)
    groups = terminal_groups(target)
    are_new = _take_in(target, groups)
    _follow_moves(target, groups)
    if any(group.method in COMING_FIRST and group.state == DeliveryState.WAITING for group in groups):
        _leave_alone_who_never_came(target)
    if situation.active is not None and situation.active.number < target.number and target.held_because:
        _ask_again_for(situation.active, target)
    if any(group.state in IN_FLIGHT for group in groups):
        _judge_who_came(target)
        _ask_for_the_next_in_turn(target, now)
        claims.give_up(target.number, within=ANSWERS_WITHIN, now=now, machine=situation.clock.machine)
    if are_new or any(group.method in FILLING or group.state == DeliveryState.FULL for group in groups):
        full_lists.pass_over(target, situation.active)
    _prove_again(target, now)
    return current


def _prove_again(target: Generation, now: datetime) -> None:
    """What an address proves by now that it did not prove when it fetched. Where very many are unproved, some in each round."""
    rows = Installation.objects.of(target)
    parts = math.ceil(tally.installations(target, Q(unproved=True)) / PROVED_AGAIN_AT_ONCE)
    if parts > 1:
        minute = int(now.timestamp() // 60)
        rows = rows.annotate(part=F("terminal_id") % parts).filter(part=minute % parts)
    if parts:
        fetches.prove_again(rows)


def _judge_who_came(target: Generation) -> None:
    """A worker that was killed between an answer and what it proves has left that to the next round."""
    back = Installation.objects.of(target).in_state(*BACK)
    fetches.judge(back.of_methods(FETCHING_METHODS).values_list("terminal", flat=True))


def _ask_for_the_next_in_turn(target: Generation, now: datetime) -> None:
    """Terminals that have taken another trust anchor than this one since they were asked: they are asked once more, as soon as
    nobody else's coming can take back what that proves (rules anchors-in-turn, proved-by-answer).
    """
    took = Requester.objects.filter(terminal=OuterRef("terminal"), held_at__gte=OuterRef("notified_at"))
    in_doubt = Installation.objects.filter(terminal=OuterRef("terminal"), doubt_until__gt=now)
    back = Installation.objects.of(target).in_state(*BACK).of_methods(IN_TURN_METHODS).filter(evidence="")
    rows = [
        {
            "id": key,
            "state": DeliveryState.WAITING,
            "next_at": now + waves.back_off(postponed + 1),
            "postponed": postponed + 1,
        }
        for key, postponed in back.filter(Exists(took), ~Exists(in_doubt)).values_list("pk", "postponed")
    ]
    execute(updates(Installation, rows, match=["id"], where=is_one_of("state", BACK)))


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
    Rollout.objects.filter(pk=rollout.pk).in_state(*Rollout.OPEN).update(
        state=RolloutState.ENDED, ended_at=now, ended_because=because
    )


def _has_successor(generation: Generation) -> bool:
    """Whether a newer pair is handed out instead."""
    return Generation.objects.active_or_pending().filter(number__gt=generation.number).exists()


def _reopen(rollout: Rollout) -> None:
    """Continue a rollout that had ended: the generation that took its place was discarded or withdrawn."""
    Rollout.objects.filter(pk=rollout.pk).in_state(RolloutState.ENDED).update(
        state=RolloutState.RUNNING, ended_at=None, ended_because=""
    )
    rollout.state, rollout.ended_at, rollout.ended_because = RolloutState.RUNNING, None, ""


def _take_in(target: Generation, groups: Sequence[TerminalGroup]) -> bool:
    """A place for every terminal that has none yet; returns whether there was one."""
    if tally.all_have_one(target, Q(type__holds_only_one=False) if target.pending else tally.ANY):
        return False
    without = Terminal.objects.concerned_by(target).without(Installation.objects.of(target)).order_by("pk")
    newcomers = [
        Newcomer(key, model, automatic=method in AUTOMATIC_METHODS, seen=seen)
        for key, model, method, seen in without.values_list("pk", "type", "type__method", "last_contact")
    ]
    if not newcomers:
        return False
    delivery = DeliverySettings.load()
    assigned = waves.assign_waves(
        newcomers,
        WaveSizes(delivery.waves, delivery.second_wave_percent, delivery.third_wave_percent),
        known={group.model for group in groups if group.wave == Wave.FIRST},
        seed=target.number,
    )
    rows = [{"generation": target.number, "terminal": key, "wave": wave.value} for key, wave in assigned.items()]
    execute(inserts(Installation, rows))
    return True


def _follow_moves(target: Generation, groups: Sequence[TerminalGroup]) -> None:
    """A terminal whose type has become one of another method belongs on the work list, or in a wave."""
    rows = Installation.objects.of(target)
    if any(group.method in AUTOMATIC_METHODS and group.wave == Wave.BY_HAND for group in groups):
        rows.of_methods(AUTOMATIC_METHODS).by_hand().update(wave=Wave.REST)
    if any(group.method not in AUTOMATIC_METHODS and group.wave != Wave.BY_HAND for group in groups):
        rows.exclude(terminal__type__method__in=AUTOMATIC_METHODS).in_waves().update(wave=Wave.BY_HAND)


def _leave_alone_who_never_came(target: Generation) -> None:
    """They are absent for those that come after them: no wave waits for who may not be asked (rule first-notify)."""
    rows = Installation.objects.of(target).in_state(DeliveryState.WAITING).of_methods(COMING_FIRST)
    rows.filter(~HAS_COME).update(state=DeliveryState.ABSENT, next_at=None)


def _ask_again_for(active: Generation, target: Generation) -> None:
    """After a roll back: ask those again that trust the held pair alone. They have no calls before they trust both."""
    trusts_active = Installation.objects.of(active).trusted().of_the_terminal("terminal")
    confirmed = Installation.objects.of(target).in_state(DeliveryState.CONFIRMED)
    confirmed.exclude(trusts_active).update(state=DeliveryState.WAITING, next_at=None, postponed=0)


# -- asking ------------------------------------------------------------------------------------------------------------


class RolloutRound:
    """One round of the heartbeat in which the terminals of the running rollout are asked; it ends within a minute
    (rule round).

    1. Where the pair has just been made, wait until the listeners hand it out.
    2. Claim the terminals whose turn it is and send each a NOTIFY, again whenever places are free; after 22 seconds no
       longer, nor where somebody else needs the worker.
    3. Record their answers, meanwhile and for at most 35 seconds afterwards, 5 where somebody else needs the worker.
    4. Leave alone whoever has not answered until it could have confirmed.

    `others_wait` says whether somebody else needs the worker; it is called again and again until it is so. `in_call`: the numbers of
    those that are in a call, as far as that is known.
    """

    def __init__(
        self,
        situation: Situation,
        rollout: Rollout,
        sender: NotifySender,
        *,
        stopwatch: Stopwatch | None = None,
        others_wait: Callable[[], bool] = lambda: False,
        in_call: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._stopwatch = stopwatch or MonotonicStopwatch()
        self._situation = situation
        self._rollout = rollout
        self._sender = sender
        self._others_wait = others_wait
        self._in_call = in_call
        self._delivery = DeliverySettings.load()
        self._target = rollout_target(situation)
        self._unanswered: dict[int, Ask] = {}
        self._unrecorded: list[AskResult] = []
        self._claimed_at: timedelta | None = None
        """When terminals were claimed last."""
        self._is_hurried = False
        self._ends_at: timedelta | None = None
        """When no answer is waited for any more; None as long as terminals are claimed."""
        self._pause = SHORTEST_PAUSE

    def run(self) -> None:
        self._wait_for_the_listeners()
        while True:
            self._look_at_the_time()
            others_may_follow = self._ask_the_next()
            if self._unanswered:
                self._record_answers()
                if self._ends_at is not None and self._stopwatch.elapsed() >= self._ends_at:
                    break
            elif others_may_follow and self._pause < LONGEST_PAUSE:
                self._stopwatch.pause(self._pause)
            else:
                break
        claims.leave_alone(list(self._unanswered.values()), now=self._now)

    @property
    def _now(self) -> datetime:
        return self._situation.clock.best + self._stopwatch.elapsed()

    def _wait_for_the_listeners(self) -> None:
        """Unless nobody may be asked, or somebody else needs the worker."""
        target, began = self._target, self._situation.clock.best
        if target is None or target.made_at is None or began >= target.made_at + LISTENERS_KNOW_WITHIN:
            return
        if _askable(terminal_groups(target), restart=self._may_restart(began)) is None:
            return
        left = min(target.made_at + LISTENERS_KNOW_WITHIN - began, LISTENERS_KNOW_WITHIN)
        while self._stopwatch.elapsed() < left and not self._others_wait():
            self._stopwatch.pause(min(left - self._stopwatch.elapsed(), ANY_PLACE_AFTER))

    def _look_at_the_time(self) -> None:
        """Set the end where the time for claims is over, or draw it near where somebody else needs the worker."""
        elapsed = self._stopwatch.elapsed()
        if not self._is_hurried and self._others_wait():
            self._is_hurried = True
            soon = elapsed + HURRIED_ANSWERS_FOR
            self._ends_at = min(soon, self._ends_at or soon)
        elif self._ends_at is None and elapsed >= CLAIMS_FOR:
            self._ends_at = elapsed + ANSWERS_FOR

    def _ask_the_next(self) -> bool:
        """Claim terminals and send each a NOTIFY; returns whether others may follow when these are back."""
        asks: list[Ask] = []
        others_may_follow = False
        if self._ends_at is None:
            try:
                asks, others_may_follow = self._claim()
            except (OperationalError, ClaimLost) as error:
                # Nobody was claimed. Who was before is still waited for: a lost answer could cost a second restart.
                number = self._rollout.generation_id
                said = "nobody else of generation %s is asked in this round: %s"
                logger.warning(said, number, error, extra={"generation": number})
                self._ends_at = self._stopwatch.elapsed() + ANSWERS_FOR
        if asks:
            self._claimed_at = self._stopwatch.elapsed()
            self._unanswered.update((ask.key, ask) for ask in asks)
            busy = self._who_talks(asks)
            self._unrecorded += [AskResult(ask, 0, Reaction.IN_CALL) for ask in busy]
            self._sender.ask([ask for ask in asks if ask not in busy])
        self._pause = SHORTEST_PAUSE if asks else min(self._pause * 3 / 2, LONGEST_PAUSE)
        return others_may_follow

    def _claim(self) -> tuple[list[Ask], bool]:
        """The terminals whose turn it is, claimed; and whether others may follow when those that are in flight are back.

        Raises OperationalError or ClaimLost where nobody was claimed.
        """
        target, now = self._target, self._now
        if target is None or target.number != self._rollout.generation_id:
            return [], False
        if self._delivery.at_once - claims.in_flight(target.number) < self._places_worth_a_claim:
            return [], True
        groups = terminal_groups(target)
        if waves.stops(groups, StopLimits(self._delivery.stop_percent, self._delivery.stop_among_first)):
            running = Rollout.objects.filter(pk=self._rollout.pk).in_state(RolloutState.RUNNING)
            running.update(state=RolloutState.STOPPED)
            return [], False
        if models := waves.models_to_replace(groups):
            _replace_first(target, models)
            groups = terminal_groups(target)
        which = _askable(groups, restart=self._may_restart(now))
        if which is None:
            return [], False
        are_in_flight = any(group.state in IN_FLIGHT and group.wave != Wave.BY_HAND for group in groups)
        if not any(group.state in CLAIMABLE for group in groups):
            return [], are_in_flight
        machine = self._situation.clock.machine + self._stopwatch.elapsed()
        asks = claims.claim(target.number, which, at_once=self._delivery.at_once, now=now, machine=machine)
        return asks, bool(asks) or are_in_flight

    def _who_talks(self, asks: Sequence[Ask]) -> list[Ask]:
        """Those that a restart would cut off: they are put off as those that say that they are busy, so that no wave
        waits for them. In the last day before the deadline waiting costs more, and nobody is put off for ever (rule kamailio-asked).
        """
        deadline = self._target.deadline if self._target is not None else None
        if deadline is not None and self._now >= deadline - waves.LAST_DAY_BEFORE_DEADLINE:
            return []
        restarting = [ask for ask in asks if ask.terminal.type.method in RESTARTING_METHODS]
        talking = self._in_call() if restarting else frozenset()
        return [ask for ask in restarting if ask.terminal.number in talking and ask.put_off < waves.PUT_OFF_AT_MOST]

    @property
    def _places_worth_a_claim(self) -> int:
        patient = self._claimed_at is not None and self._stopwatch.elapsed() < self._claimed_at + ANY_PLACE_AFTER
        return max(self._delivery.at_once // WORTH_A_CLAIM, 1) if patient else 1

    def _may_restart(self, now: datetime) -> bool:
        return may_restart(self._situation, self._rollout, self._delivery, now)

    def _record_answers(self) -> None:
        """Wait a moment for answers and record them. While another process has locked the database they are kept, and
        recorded with those that come next.
        """
        self._unrecorded += self._sender.answers(self._pause)
        if not self._unrecorded:
            return
        try:
            seen_at = self._situation.clock.machine + self._stopwatch.elapsed()
            claims.record(self._unrecorded, now=self._now, seen_at=seen_at)
        except OperationalError as error:
            logger.warning("%d answers of terminals wait for the database: %s", len(self._unrecorded), error)
            return
        for answer in self._unrecorded:
            del self._unanswered[answer.ask.key]
        self._unrecorded.clear()
        self._pause = SHORTEST_PAUSE


def _askable(groups: Sequence[TerminalGroup], *, restart: bool) -> Q | None:
    """Which installations may be claimed; None where no method may be asked at all."""
    open_waves = waves.open_waves(groups)
    which: Q | None = None
    for method in {group.method for group in groups}:
        if method in RESTARTING_METHODS and not restart:
            continue
        if method not in AUTOMATIC_METHODS:
            if not restart:
                continue
            # Asked once, where its type has an event string; only a person confirms it.
            mine = Q(wave=Wave.BY_HAND) & ~Q(terminal__type__event="") & (Q(attempts=0) | Q(next_at__isnull=False))
        else:
            # What was put off once is asked again whatever its wave.
            mine = ~Q(wave=Wave.BY_HAND) & (Q(state=DeliveryState.ABSENT) | Q(postponed__gt=0))
            if method in open_waves:
                mine |= Q(wave=open_waves[method])
        mine &= Q(terminal__type__method=method)
        if method in COMING_FIRST or (method in RESTARTING_AT_FIRST and not restart):
            mine &= Q(HAS_COME)
        which = mine if which is None else which | mine
    return which


def _replace_first(target: Generation, models: set[int]) -> None:
    """Move another terminal of each model into the first wave, because those in it are absent, busy, full or skipped."""
    waiting = Installation.objects.of(target).in_state(*NOT_ASKED_YET)
    for model in sorted(models):
        successor = (
            waiting.filter(
                terminal__in=Terminal.objects.concerned_by(target).filter(type=model),
                postponed=0,
                wave__gt=Wave.FIRST,
            )
            .order_by(F("terminal__last_contact").desc(nulls_last=True), "pk")
            .first()
        )
        if successor is not None:
            waiting.filter(pk=successor.pk).update(wave=Wave.FIRST)
