"""Empty the list of a telephone that is full, which then takes all anew that is handed out (rule emptied-list).

It is told to stop checking, and comes back; its file says to delete, and it takes that; it takes the served certificate again, under a
name that it does not know; then it is told to check in its turn. What the telephone has shown is written down as it comes
(`terminals.evidence.came_back`); here is who is next, and when it is over. All of it may be interrupted anywhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from certificates.models import Generation
from certificates.renewal.situation import Situation
from pbxcerts.system.time.clock import STILL_NOW
from terminals.batches import one_writer
from terminals.checking.changing import change, delete
from terminals.checking.models import Checking, next_change
from terminals.evidence.models import Requester
from terminals.models import Terminal, TerminalType

State, Why = Checking.State, Checking.Why

ROOM_FOR = 1
"""Who has room for so many more, or for none, is to be emptied: so that the next renewal finds room."""
AGAIN_AFTER = timedelta(hours=20)
"""Once a night at most."""
MOST_ATTEMPTS = 3
"""Who has not taken it after so many nights is left alone until a person goes on."""


def is_governed(one: TerminalType) -> bool:
    """Whether lists of this type are emptied: only where it is pbxcerts that says what they check."""
    return one.turns_checking_on and one.empties_list and one.driver.capabilities.empties


GOVERNED = Q(turns_checking_on=True, empties_list=True)


def has_no_room(one: TerminalType) -> Exists:
    """Whether a terminal of this type has taken so many that there is room for one more at most, by its own fetches."""
    fewest = (one.driver.capabilities.holds or 0) - ROOM_FOR
    held = Requester.objects.filter(terminal=OuterRef("pk"), change__gt=0, **{f"holds__{fewest - 1}__isnull": False})
    return Exists(held.exclude(held_proved=False))


# -- what is true by now -----------------------------------------------------------------------------------------------


def forget_what_is_over() -> None:
    """Of types whose lists are emptied no longer. Who was told to stop for it and has not read so checks as before; who has stopped is
    told in its turn. Whose list is emptied goes on to the end.
    """
    no_longer = Checking.objects.exclude(terminal__type__in=TerminalType.objects.filter(GOVERNED))
    told = no_longer.told_to_stop_for_room()
    change(told.filter(shown_at__isnull=False), state=State.SHOWN, why="", taken_back_at=None, until=None)
    delete(told.filter(shown_at__isnull=True))
    delete(no_longer.in_state(State.OFF))


def finish(situation: Situation, now: datetime) -> None:
    """Who has taken the served one again is back; when a person has seen the first list of the type, and no roll back to a pair is
    possible whose root it has lost, it is told to check in its turn. Of who does not come by then a message tells.
    """
    emptied = Checking.objects.in_state(State.EMPTIED)
    served = situation.active.number if situation.active is not None else None
    before = goes_back_to(situation)
    needed = {served} if before is None else {served, before.number}
    for row in emptied.select_related("terminal__type").defer("terminal__type__guide_de", "terminal__type__guide_en"):
        by_itself = list(Requester.objects.filter(terminal=row.pk, held_at__gt=row.read_at, held_proved=True))
        back_at = [one.held_at for one in by_itself if served in one.holds and one.held_at is not None]
        if back_at and row.shown_at is None:
            change(emptied.filter(pk=row.pk), shown_at=max(back_at), why="")
        has_all = served is not None and any(needed.issubset(one.holds) for one in by_itself)
        if has_all and (row.terminal.type.emptying_seen or not is_governed(row.terminal.type)):
            delete(emptied.filter(pk=row.pk))
    lost = Checking.objects.being_emptied().filter(due_at__lte=now, why="")
    change(lost.exclude(state=State.EMPTIED, shown_at__isnull=False), why=Why.NOT_BACK, gone_on=False)


# -- who is next -------------------------------------------------------------------------------------------------------


def goes_back_to(situation: Situation) -> Generation | None:
    """The pair that a roll back would go to. It is not handed out any more where trust anchors come in turn."""
    before = situation.served_before
    return before if before is not None and situation.is_valid(before) else None


def may_follow(one: TerminalType, situation: Situation, at_once: int, now: datetime) -> int:
    """How many more may be told to stop for it now. While a roll back is possible nobody: what it goes to would be deleted."""
    rows = Checking.objects.of_type(one.pk)
    if not is_governed(one) or goes_back_to(situation) is not None or rows.stopping().exists():
        return 0
    told = rows.told_to_stop_for_room().filter(until__gt=now).count()
    under_way = told + rows.being_emptied().filter(terminal__enabled=True).count()
    return max((at_once if one.emptying_seen else 1) - under_way, 0)


def candidates(one: TerminalType, proved_to_have_served: Exists, now: datetime) -> QuerySet[Terminal]:
    """The terminals of a type without room, of which it is shown that they have the served root. Whether it checks is told to each anew."""
    mine = Checking.objects.filter(terminal=OuterRef("pk"))
    again = mine.told_to_stop_for_room().filter(until__lte=now, attempts__lt=MOST_ATTEMPTS)
    again = again.filter(Q(asked_at__lte=now - AGAIN_AFTER) | Q(asked_at__gt=now + STILL_NOW))
    told_in_vain = mine.in_state(State.TOLD).filter(until__lte=now)
    may = Q(~Exists(mine)) | Q(Exists(mine.in_state(State.SHOWN) | told_in_vain | again))
    found = Terminal.objects.enabled().filter(proved_to_have_served, has_no_room(one), may, type=one.pk)
    return found.filter(mac__isnull=False).order_by(F("last_contact").desc(nulls_last=True), "pk")


@one_writer()
def tell_to_stop(one: TerminalType, terminals: Sequence[int], now: datetime, *, until: datetime) -> None:
    following = next_change(now)
    rows = Checking.objects.filter(pk__in=terminals)
    told = {"until": until, "asked_at": now}
    rows.told_to_stop_for_room().changed_to(**told, attempts=F("attempts") + 1)
    first = {"state": State.TAKEN_BACK, "why": Why.ROOM, "taken_back_at": now, "off_at": None, "attempts": 1}
    rows.in_state(State.TOLD, State.SHOWN).changed_to(**told, **first, gone_on=False)
    new = sorted(set(terminals).difference(rows.values_list("pk", flat=True)))
    Checking.objects.bulk_create(
        [Checking(terminal_id=key, method=one.method, change=following, **told, **first) for key in new],
        ignore_conflicts=True,
    )
