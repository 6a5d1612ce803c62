"""Telephones that are told no further trust anchor are passed over: asked nothing, waited for by no wave, no reason to stop (rule
full-list). Who has room again is asked in its turn, in the same rollout.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q

from certificates.models import Generation
from terminals.batches import in_batches
from terminals.checking.models import Checking
from terminals.drivers.registry import FILLING
from terminals.evidence.models import Requester
from terminals.evidence.requesters import is_full
from terminals.models import Installation, InstallationQuerySet
from terminals.states import CLAIMABLE, DeliveryState
from terminals.tally import counts as tally

PASSED_OVER_FROM = CLAIMABLE | {DeliveryState.FAILED}
"""Who was asked and is not back is given up first (rule given-up)."""


def pass_over(target: Generation, active: Generation | None) -> None:
    """Say which of those that are left are full now, and which no longer. Five queries where nothing changes, whatever the number of
    terminals; one where nobody's list fills up.
    """
    may_be = Q(type__method__in=FILLING, state__in=PASSED_OVER_FROM) | Q(state=DeliveryState.FULL)
    if not tally.installations(target, may_be):
        return
    rows = Installation.objects.of(target)
    told_no_further = _told_no_further(rows, target, active)
    passed_over = set(rows.in_state(DeliveryState.FULL).values_list("pk", flat=True))
    # When it is asked next stays: nobody who may have heard is asked again before that.
    for batch in in_batches(sorted(told_no_further - passed_over)):
        full = rows.filter(pk__in=batch).in_state(*PASSED_OVER_FROM)
        full.update(state=DeliveryState.FULL, failure="", failed_at=None, excused=False)
    for batch in in_batches(sorted(passed_over - told_no_further)):
        with_room = rows.filter(pk__in=batch).in_state(DeliveryState.FULL)
        with_room.unproved().update(state=DeliveryState.UNPROVED)
        with_room.update(state=DeliveryState.WAITING)


def _told_no_further(rows: InstallationQuerySet, target: Generation, active: Generation | None) -> set[int]:
    """The installations of those that are to be told one more and are not."""
    left = rows.in_state(*PASSED_OVER_FROM, DeliveryState.FULL).of_methods(FILLING)
    full = Q()
    for method, most in FILLING.items():
        full |= Q(terminal__type__method=method, **{f"holds__{most - 1}__isnull": False})
    holding = Requester.objects.filter(change__gt=0)
    may_be = left.filter(Exists(holding.filter(full, terminal=OuterRef("terminal"))))
    held: dict[int, list[_Taken]] = {}
    known = holding.filter(terminal__in=may_be.values("terminal")).order_by()
    for terminal, *taken in known.values_list("terminal", "holds", "change", "held_proved", "accepted_by"):
        held.setdefault(terminal, []).append(_Taken(*taken))
    found = set()
    for key, terminal, method, confirmed_at in may_be.values_list(
        "pk", "terminal", "terminal__type__method", "confirmed_at"
    ):
        # One that trusts this pair is asked for the sake of the served one (rule one-rollout).
        wanted = target if confirmed_at is None else active
        if wanted is not None and _is_full(held.get(terminal, ()), FILLING[method], without=wanted.number):
            found.add(key)
    if target.activated_at is None:
        # It may hold all that it held, and is told no pair that was not served yet (rule emptied-list).
        emptied = left.filter(confirmed_at=None, terminal__checking__state=Checking.State.EMPTIED)
        found.update(emptied.values_list("pk", flat=True))
    return found


class _Taken(NamedTuple):
    """What one address has taken, as in `Requester`."""

    holds: list[int]
    change: int
    held_proved: bool | None
    accepted_by: str


def _is_full(rows: Sequence[_Taken], most: int, *, without: int) -> bool:
    """By what was provably the terminal when it took the last one. Where nothing was, each has to be full that took in its name: a
    stranger fills the list of nobody.
    """
    own = [row for row in rows if row.held_proved is not False or row.accepted_by]
    deciding = [max(own, key=attrgetter("change"))] if own else rows
    return bool(deciding) and all(is_full(row.holds, most) and without not in row.holds for row in deciding)
