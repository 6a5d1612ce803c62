"""Turn the check of certificates on, telephone by telephone: what a round of the heartbeat does for it (rule checking).

`reconcile` looks at who was told; `tell` says who is next, and `ask` sends those a NOTIFY that restart for it, in the window of the
night. All of it may be interrupted anywhere: who was told and not asked is told no longer after some minutes.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system.time.clock import STILL_NOW
from terminals.batches import in_batches, one_writer
from terminals.checking import emptying
from terminals.checking.changing import change, delete
from terminals.checking.emptying import AGAIN_AFTER, MOST_ATTEMPTS
from terminals.checking.models import ONCE_MORE_AFTER, Checking, CheckingQuerySet, next_change
from terminals.checking.warnings import waits_for_word
from terminals.drivers.base import CheckSwitch, Reaction
from terminals.models import DeliverySettings, Installation, InstallationQuerySet, Terminal, TerminalType
from terminals.rollout import claims, waves
from terminals.rollout.claims import Ask, AskResult
from terminals.rollout.rounds import ANSWERS_FOR, HURRIED_ANSWERS_FOR, LISTENERS_KNOW_WITHIN, NotifySender, Stopwatch
from terminals.rollout.target import rollout_target

State, Why, Proof = Checking.State, Checking.Why, Installation.Proof

FIRST_ONES = 20
"""So many of a type come back before all others are told."""
IN_ONE_ROUND = 1000
"""Of them so many in a round."""
TALK_AT_MOST = 50
"""So many of those whose turn it is may be in a call, and others take their places."""
NOBODY_WORKED_FOR = timedelta(minutes=10)
"""After a longer gap between two rounds the telephones may have found nobody."""
TIME_FOR_IT = timedelta(minutes=15)
"""So long a telephone may take for the restart by which it is shown that what it holds counts."""
SHOWN_TO_BE_ITS_OWN = (Proof.PATH, Proof.RECORD, Proof.NETWORK)
"""What shows at the request itself that it is the telephone's own, so that its file may say more than a stranger's."""

logger = logging.getLogger(__name__)


def reconcile(situation: Situation, *, last: datetime | None) -> list[TerminalType]:
    """What is true by now: who did not come back is taken back, who may not be told any more is not. `last`: when the round before was,
    by the machine's clock. Returns the types of which some telephone is told, or may be. One query where there are none.
    """
    now, read = situation.clock.machine, Checking.objects.in_state(State.READ)
    if situation.standing.rests:
        # Nothing is handed out, so nobody can come back.
        change(Checking.objects.to_come_back(), due_at=F("due_at") + max(now - (last or now), timedelta(0)))
        return []
    # Whether anybody was ever told is one question for all types.
    told = Exists(Checking.objects.all())
    types = list(TerminalType.objects.filter(Q(turns_checking_on=True) | told).defer("guide_de", "guide_en"))
    if types:
        _forget_what_is_over(now)
        emptying.forget_what_is_over()
        _wait_for_those_that_found_nobody(now, last)
        overdue = read.filter(due_at__lte=now)
        change(overdue, **_taken_back(Why.NOT_BACK, now), gone_on=False)
        _untell(now, everybody=not may_be_told(situation))
        in_service = [one.pk for one in types if not one.turns_checking_on and not _restarts(one)]
        emptying.finish(situation, now)
        checks = Checking.objects.told_and_checking()
        change(checks.filter(terminal__type__in=in_service), **_taken_back(Why.SWITCHED_OFF, now))
    return types


def tell(
    situation: Situation, types: Iterable[TerminalType], *, in_call: Callable[[], frozenset[str]] = frozenset
) -> list[Ask]:
    """Tell those whose turn it is; returns whom a NOTIFY has to ask."""
    now = situation.clock.machine
    delivery = DeliverySettings.load()
    closes = waves.restarts_until(situation.settings.schedule, delivery.window_hours, situation.clock.best)
    asks: list[Ask] = []
    for one in types:
        switch, span = one.driver.checks.switch, one.driver.capabilities.answers_within
        # Who is told has as long to restart, and does so within the window.
        if switch is None or (switch.restarts and (closes is None or closes - situation.clock.best < TIME_FOR_IT)):
            continue
        tells = one.turns_checking_on and one.event_restarts and may_be_told(situation)
        if tells and one.driver.capabilities.counts_from_restart and situation.active is not None:
            once_more = _ask_once_more(one, situation.active, now, delivery, in_call)
            if once_more:
                # They keep their places, and nobody else is told in this round.
                asks += once_more
                continue
        if switch.restarts and closes is not None and closes - situation.clock.best < span:
            continue
        if not one.turns_checking_on:
            asks += _tell_to_stop(one, now, delivery, in_call) if switch.restarts else []
        elif tells and situation.active is not None:
            asks += _tell(one, switch, situation.active, now, delivery, in_call)
            asks += _tell_to_make_room(one, switch, situation, now, delivery, in_call)
    return asks


def may_be_told(situation: Situation) -> bool:
    """Not while a handover is under way, nor while another pair is handed out than the one that is served."""
    served = situation.active
    only_that = situation.pending is None and rollout_target(situation) == served
    return served is not None and only_that and situation.active_is_served and situation.switch is None


# -- what is true by now -----------------------------------------------------------------------------------------------


def _taken_back(why: Checking.Why, now: datetime) -> dict[str, Any]:
    return {"state": State.TAKEN_BACK, "why": why, "taken_back_at": now, "off_at": None, "until": None}


def _forget_what_is_over(now: datetime) -> None:
    """A telephone of another method does not know those words. One whose type says so again is told in its turn; what one of a type
    that no longer says so has to do with it, ends when it has read so.
    """
    delete(Checking.objects.exclude(method=F("terminal__type__method")))
    off = Checking.objects.filter(terminal__type__turns_checking_on=False)
    told = off.in_state(State.TOLD)
    delete(told.filter(read_at=None))
    # It was told before, and may not have read that it was taken back.
    change(told, **_taken_back(Why.SWITCHED_OFF, now))
    taken_back = Checking.objects.in_state(State.TAKEN_BACK)
    delete(taken_back.filter(terminal__type__turns_checking_on=False, off_at__isnull=False))
    again = taken_back.filter(why=Why.SWITCHED_OFF, terminal__type__turns_checking_on=True)
    anew = {"state": State.TOLD, "why": "", "until": now, "attempts": 0, "off_at": None, "took_at": None}
    change(again.filter(off_at__isnull=False), **anew, asked_at=now - AGAIN_AFTER, read_at=None)
    change(again, **anew, asked_at=now - AGAIN_AFTER)


def _wait_for_those_that_found_nobody(now: datetime, last: datetime | None) -> None:
    """While nothing of pbxcerts ran, or the clock jumped, nobody could come back."""
    waited_for = Checking.objects.to_come_back()
    gap = now - last if last is not None else timedelta(0)
    if gap > NOBODY_WORKED_FOR:
        change(waited_for, due_at=F("due_at") + gap)
    # Written by a clock that was ahead.
    for name in ("read_at", "off_at"):
        ahead = waited_for.filter(**{f"{name}__gt": now + STILL_NOW})
        for one in ahead.select_related("terminal__type"):
            due_at = now + one.terminal.type.comes_back_within
            change(waited_for.filter(pk=one.pk), **{name: now, "due_at": due_at})


def _untell(now: datetime, *, everybody: bool) -> None:
    """Who was told and has not read it yet is told no more: everybody, or those of types that have stopped, or that a clock told which
    was ahead.
    """
    told = Checking.objects.filter(Q(state=State.TOLD) | Q(state=State.TAKEN_BACK, why=Why.ROOM), until__gt=now)
    if not everybody:
        stopped = Checking.objects.stopping().values("terminal__type")
        told = told.filter(Q(terminal__type__in=stopped) | Q(asked_at__gt=now + STILL_NOW))
    # It had no time to take it.
    change(told, until=now, attempts=Greatest(F("attempts") - 1, 0))


def _restarts(one: TerminalType) -> bool:
    switch = one.driver.checks.switch
    return switch is not None and switch.restarts


# -- who is next -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TypeProgress:
    """How far a type is. `under_way`: told, or to be told, or read and not back yet; `shown`: came back, counted up to `FIRST_ONES`."""

    stopped: bool
    under_way: int
    shown: int
    waits_for_word: bool

    @classmethod
    def of(cls, one: TerminalType, now: datetime) -> "TypeProgress":
        rows = Checking.objects.of_type(one.pk).filter(terminal__enabled=True)
        shown = len(rows.in_state(State.SHOWN).values_list("pk", flat=True)[:FIRST_ONES])
        told = rows.in_state(State.TOLD)
        within = one.driver.capabilities.restarts_within
        in_between = told.filter(asked_at__gt=now - AGAIN_AFTER, took_at__gt=F("asked_at")).filter(
            took_at__gt=now - within
        )
        told = told.filter(until__gt=now) | in_between
        return cls(
            stopped=Checking.objects.of_type(one.pk).stopping().exists(),
            under_way=told.count() + rows.in_state(State.READ).count(),
            shown=shown,
            waits_for_word=waits_for_word(one),
        )

    def may_follow(self, at_once: int) -> int:
        """How many more may be told now."""
        if self.stopped or self.waits_for_word:
            return 0
        if self.shown == 0:
            return max(1 - self.under_way, 0)
        if self.shown < FIRST_ONES:
            return max(min(at_once, FIRST_ONES) - self.under_way, 0)
        return IN_ONE_ROUND


def proved_to_have(active: Generation) -> Exists:
    return _proved(active).of_the_terminal()


def _proved(active: Generation) -> InstallationQuerySet:
    proved = Installation.objects.of(active).trusted().filter(proof__in=SHOWN_TO_BE_ITS_OWN)
    return proved.filter(evidence=Installation.Evidence.FETCHED)


def candidates(one: TerminalType, active: Generation, now: datetime) -> QuerySet[Terminal]:
    """The terminals of a type of which it is shown that they have the root of the served pair, and that were not told lately. Those
    that were never told come first, and of them the one that was seen last.
    """
    mine = Checking.objects.filter(terminal=OuterRef("pk"))
    again = mine.in_state(State.TOLD).filter(until__lte=now, attempts__lt=MOST_ATTEMPTS)
    again = again.filter(Q(asked_at__lte=now - AGAIN_AFTER) | Q(asked_at__gt=now + STILL_NOW))
    terminals = Terminal.objects.enabled().filter(proved_to_have(active), type=one.pk, mac__isnull=False)
    if emptying.is_governed(one):
        # After that, so that nobody checks who may hold nothing (rule emptied-list).
        terminals = terminals.exclude(emptying.has_no_room(one))
    found = terminals.annotate(was_told=Exists(mine)).filter(Q(was_told=False) | Exists(again))
    return found.order_by("was_told", F("last_contact").desc(nulls_last=True), "pk")


def to_ask_once_more(one: TerminalType, active: Generation, now: datetime) -> CheckingQuerySet:
    """Those that were asked to restart, have taken all that they are to trust, and have time to show by one more restart that it counts."""
    within = one.driver.capabilities.restarts_within
    has_it_since = Subquery(_proved(active).filter(terminal=OuterRef("pk")).order_by().values("confirmed_at"))
    rows = Checking.objects.of_type(one.pk).in_state(State.TOLD).filter(terminal__enabled=True)
    asked = rows.filter(asked_at__gt=now - AGAIN_AFTER, took_at__gt=F("asked_at"))
    in_time = asked.filter(took_at__lte=now - ONCE_MORE_AFTER, took_at__gt=now - within + TIME_FOR_IT)
    return in_time.filter(took_at__gte=has_it_since)


def _ask_once_more(
    one: TerminalType,
    active: Generation,
    now: datetime,
    delivery: DeliverySettings,
    in_call: Callable[[], frozenset[str]],
) -> list[Ask]:
    """The restart that these are asked for shows that what they hold counts, so its file tells them to check (rule first-check)."""
    progress = TypeProgress.of(one, now)
    if progress.stopped or progress.waits_for_word:
        return []
    which = Terminal.objects.filter(checking__in=to_ask_once_more(one, active, now)).order_by("pk")
    chosen = _not_talking(which, delivery.at_once, in_call)
    for batch in in_batches([terminal.pk for terminal in chosen]):
        with one_writer():
            Checking.objects.filter(pk__in=batch).in_state(State.TOLD).changed_to(until=now, asked_at=now)
    return [_ask(terminal, one) for terminal in chosen]


def _tell(
    one: TerminalType,
    switch: CheckSwitch,
    active: Generation,
    now: datetime,
    delivery: DeliverySettings,
    in_call: Callable[[], frozenset[str]],
) -> list[Ask]:
    may = TypeProgress.of(one, now).may_follow(delivery.at_once)
    if may and switch.restarts:
        may = min(may, _free_places(active, now, delivery))
    if not may:
        return []
    chosen = _not_talking(candidates(one, active, now), may, in_call if switch.restarts else frozenset)
    # Who is restarted by the NOTIFY itself is told when it has heard it, so that it never takes it without the restart.
    heard_first = switch.restarts and one.driver.capabilities.restarts
    spans = one.driver.capabilities.answers_within if switch.restarts else one.comes_back_within
    until = now if heard_first else now + spans
    with one_writer():
        following = next_change(now)
        for batch in in_batches([terminal.pk for terminal in chosen]):
            told = Checking.objects.filter(pk__in=batch).in_state(State.TOLD)
            # Of what it took before nobody knows whether it counts.
            told.changed_to(until=until, asked_at=now, took_at=None, attempts=F("attempts") + 1)
            new = set(batch).difference(Checking.objects.filter(pk__in=batch).values_list("pk", flat=True))
            rows = [
                Checking(terminal_id=key, method=one.method, asked_at=now, until=until, attempts=1, change=following)
                for key in sorted(new)
            ]
            Checking.objects.bulk_create(rows, ignore_conflicts=True)
    return [_ask(terminal, one) for terminal in chosen] if switch.restarts else []


def _tell_to_make_room(
    one: TerminalType,
    switch: CheckSwitch,
    situation: Situation,
    now: datetime,
    delivery: DeliverySettings,
    in_call: Callable[[], frozenset[str]],
) -> list[Ask]:
    """Those whose list is full are told to stop, so that it can be emptied (rule emptied-list)."""
    active = situation.active
    may = emptying.may_follow(one, situation, delivery.at_once, now)
    if may and switch.restarts and active is not None:
        may = min(may, _free_places(active, now, delivery))
    if not may or active is None:
        return []
    full = emptying.candidates(one, proved_to_have(active), now)
    chosen = _not_talking(full, may, in_call if switch.restarts else frozenset)
    heard_first = switch.restarts and one.driver.capabilities.restarts
    spans = one.driver.capabilities.answers_within if switch.restarts else one.comes_back_within
    emptying.tell_to_stop(one, [terminal.pk for terminal in chosen], now, until=now if heard_first else now + spans)
    return [_ask(terminal, one) for terminal in chosen] if switch.restarts else []


def _tell_to_stop(
    one: TerminalType, now: datetime, delivery: DeliverySettings, in_call: Callable[[], frozenset[str]]
) -> list[Ask]:
    """Those of a type that no longer says so, at night and some at a time. Who was asked often in vain stops whenever it comes."""
    switched_off = Checking.objects.of_type(one.pk).in_state(State.TAKEN_BACK).filter(why=Why.SWITCHED_OFF)
    free = delivery.at_once - switched_off.filter(until__gt=now).count()
    checks = Checking.objects.of_type(one.pk).told_and_checking()
    again = switched_off.filter(until__lte=now, asked_at__lte=now - AGAIN_AFTER)
    which = Terminal.objects.filter(checking__in=(checks | again)).order_by("pk")
    chosen = _not_talking(which, free, in_call) if free > 0 else []
    heard_first = one.driver.capabilities.restarts
    until = now if heard_first else now + one.driver.capabilities.answers_within
    with one_writer():
        for batch in in_batches([terminal.pk for terminal in chosen]):
            rows = Checking.objects.filter(pk__in=batch)
            rows.filter(why=Why.SWITCHED_OFF).changed_to(until=until, asked_at=now, attempts=F("attempts") + 1)
            rows.filter(why=Why.SWITCHED_OFF, attempts__gt=MOST_ATTEMPTS).changed_to(until=None)
            off = _taken_back(Why.SWITCHED_OFF, now) | {"until": until}
            rows.told_and_checking().changed_to(**off, asked_at=now, attempts=1)
    return [_ask(terminal, one) for terminal in chosen]


def _free_places(active: Generation, now: datetime, delivery: DeliverySettings) -> int:
    """A restart takes a place, as those of the rollout do (rule places)."""
    told = Checking.objects.filter(until__gt=now, terminal__type__turns_checking_on=True)
    told = told.filter(Q(state=State.TOLD) | Q(state=State.TAKEN_BACK, why=Why.ROOM))
    return max(delivery.at_once - claims.in_flight(active.number) - told.count(), 0)


def _not_talking(terminals: QuerySet[Terminal], at_most: int, in_call: Callable[[], frozenset[str]]) -> list[Terminal]:
    """The first of these that are in no call, as far as that is known."""
    found = list(terminals[: at_most + TALK_AT_MOST])
    talking = in_call() if found else frozenset()
    return [one for one in found if one.number not in talking][:at_most]


def _ask(terminal: Terminal, one: TerminalType) -> Ask:
    terminal.type = one
    return Ask(terminal.pk, terminal, one.driver.event(one.event))


# -- asking ------------------------------------------------------------------------------------------------------------


def ask(
    situation: Situation,
    asks: Sequence[Ask],
    sender: NotifySender,
    *,
    stopwatch: Stopwatch,
    others_wait: Callable[[], bool] = lambda: False,
) -> None:
    """A NOTIFY to each when the listeners know what it is told. Who does not hear it is told no longer."""
    while stopwatch.elapsed() < LISTENERS_KNOW_WITHIN and not others_wait():
        stopwatch.pause(min(timedelta(seconds=1), LISTENERS_KNOW_WITHIN - stopwatch.elapsed()))
    sender.ask(asks)
    began, left = stopwatch.elapsed(), {one.key for one in asks}
    while left:
        within = HURRIED_ANSWERS_FOR if others_wait() else ANSWERS_FOR
        until = began + within - stopwatch.elapsed()
        if until <= timedelta(0):
            break
        answers = sender.answers(min(until, timedelta(seconds=1.5)))
        _record(answers, situation.clock.machine + stopwatch.elapsed())
        left -= {answer.ask.key for answer in answers}
    _not_heard(sorted(left), situation.clock.machine + stopwatch.elapsed())


def _record(answers: Sequence[AskResult], now: datetime) -> None:
    heard = [answer.ask for answer in answers if answer.reaction is Reaction.HEARD]
    with one_writer():
        for one in heard:
            _told([one.key]).changed_to(until=now + one.answers_within)
    _not_heard([answer.ask.key for answer in answers if answer.reaction is not Reaction.HEARD], now)


def _not_heard(keys: Sequence[int], now: datetime) -> None:
    if keys:
        with one_writer():
            _told(keys).changed_to(until=now)


def _told(keys: Sequence[int]) -> CheckingQuerySet:
    """Those that have not read it meanwhile."""
    return Checking.objects.filter(pk__in=keys, until__isnull=False).in_state(State.TOLD, State.TAKEN_BACK)
