"""How far a type is with the check of certificates, and with lists that are emptied, for its page (rules checking, emptied-list)."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from terminals.checking.emptying import MOST_ATTEMPTS, is_governed
from terminals.checking.models import Checking
from terminals.checking.warnings import first_names, waits_for_word
from terminals.drivers.base import CheckSwitch
from terminals.models import Terminal, TerminalType

State = Checking.State


@dataclass(frozen=True)
class CheckingOfType:
    """How many telephones are in which state; `untold`: those that were never told, `deaf`: those that did not take it again and again.

    `lost`: the names of those after which nobody else is told, `waits`: of the one of which a person has to say whether it can call;
    "" where nobody is.

    `empties`: whether full lists are emptied; `to_stop`: how many are told to stop for it, `off`: have stopped, `emptied`: take all
    again; `to_see`: the names of those of which a person has to see whether the list is empty, "" where none is.
    """

    switch: CheckSwitch
    told: int
    read: int
    shown: int
    taken_back: int
    untold: int
    deaf: int
    lost: str
    waits: str
    empties: bool
    to_stop: int
    off: int
    emptied: int
    to_see: str

    @property
    def goes_on_by_word(self) -> bool:
        """Whether a person has to go on, or may."""
        return bool(self.lost or self.waits or self.deaf)

    @property
    def asks_a_person(self) -> bool:
        """Whether nothing goes on before a person says so."""
        return bool(self.lost or self.waits or self.to_see)

    @classmethod
    def of(cls, one: TerminalType, now: datetime) -> "CheckingOfType | None":
        """None where its telephones can't be told, or nobody says that they are to be and none was. Seven queries at most."""
        switch, rows = one.driver.checks.switch, Checking.objects.of_type(one.pk)
        counts = dict(rows.order_by().values_list("state").annotate(Count("pk")))
        if switch is None or not (one.turns_checking_on or counts):
            return None
        missing = Terminal.objects.enabled().filter(type=one.pk, checking=None).count()
        for_room = rows.told_to_stop_for_room()
        told = rows.filter(state=State.TOLD) | for_room
        deaf = told.filter(until__lte=now, attempts__gte=MOST_ATTEMPTS)
        to_stop = for_room.count()
        return cls(
            switch=switch,
            told=counts.get(State.TOLD, 0),
            read=counts.get(State.READ, 0),
            shown=counts.get(State.SHOWN, 0),
            taken_back=counts.get(State.TAKEN_BACK, 0) - to_stop,
            untold=missing,
            deaf=deaf.count(),
            lost=first_names(rows.stopping()),
            waits=first_names(rows.in_state(State.SHOWN)) if waits_for_word(one) else "",
            empties=is_governed(one),
            to_stop=to_stop,
            off=counts.get(State.OFF, 0),
            emptied=counts.get(State.EMPTIED, 0),
            to_see="" if one.emptying_seen else first_names(rows.seen_by_nobody()),
        )
