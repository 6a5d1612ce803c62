"""What a person orders of the check: go on after a stop, take it back from one telephone, tell that one again (rule checking); and that
the first list that was emptied looks as it should (rule emptied-list).
"""

from datetime import datetime

from django.db.models import F, Q

from terminals.batches import one_writer
from terminals.checking.emptying import AGAIN_AFTER
from terminals.checking.models import Checking
from terminals.checking.rounds import State, Why
from terminals.drivers.registry import COUNTING_FROM_RESTART
from terminals.models import TerminalType


@one_writer()
def go_on(of: TerminalType, *, by: str) -> bool:
    """The next telephones of this type are told: what stopped counts no longer, those that came back can call, and who did not take it
    is told anew. Returns whether anything waited for that.
    """
    rows = Checking.objects.of_type(of.pk)
    waited = Q(state=State.SHOWN) | Q(why__in=[Why.NOT_BACK, Why.PERSON])
    went_on = rows.filter(waited, gone_on=False).changed_to(gone_on=True, by=by[:150])
    not_taken = rows.filter(Q(state=State.TOLD) | Q(why=Why.ROOM), attempts__gt=0)
    return bool(went_on + not_taken.changed_to(attempts=0))


def list_is_seen(of: TerminalType) -> bool:
    """The list of the first telephone holds what is served and nothing older: others are emptied too. Returns whether one waited."""
    waits = Checking.objects.of_type(of.pk).seen_by_nobody().exists()
    return waits and bool(TerminalType.objects.filter(pk=of.pk, emptying_seen=False).update(emptying_seen=True))


@one_writer()
def take_back(terminal: int, *, by: str, at: datetime) -> bool:
    """The telephone is told to check no longer, and nobody else of its type to check, until a person goes on. Returns whether it was."""
    told = Checking.objects.filter(pk=terminal).in_state(State.TOLD, State.READ, State.SHOWN)
    return bool(
        told.changed_to(
            state=State.TAKEN_BACK,
            why=Why.PERSON,
            by=by[:150],
            taken_back_at=at,
            until=None,
            off_at=None,
            gone_on=False,
        )
    )


@one_writer()
def tell_again(terminal: int) -> bool:
    """What became of it counts no longer: it is told in its turn. Returns whether it was taken back."""
    taken_back = Checking.objects.filter(pk=terminal).in_state(State.TAKEN_BACK).exclude(why=Why.ROOM)
    # It may not have read that it was taken back, and checks all the same: nothing that it takes counts before a restart.
    may_check = taken_back.filter(read_at__isnull=False, off_at=None, method__in=COUNTING_FROM_RESTART)
    long_ago = {
        "until": F("taken_back_at"),
        "asked_at": F("taken_back_at") - AGAIN_AFTER,
        "took_at": None,
        "attempts": 0,
    }
    again = may_check.changed_to(state=State.TOLD, why="", taken_back_at=None, gone_on=False, **long_ago)
    return bool(again + taken_back.delete()[0])
