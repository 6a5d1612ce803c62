"""Terminals that get the certificate of the active pair before that of the prepared one (rule served-first).

The prepared pair is due after that: at once if the terminal can hold both, at the switch if it holds only one.
"""

from django.db.models import Q

from certificates.models import Generation
from certificates.renewal.situation import Situation
from terminals.batches import execute, inserts
from terminals.drivers.registry import BY_HAND_METHODS
from terminals.models import Installation, Terminal, TerminalQuerySet, TrustFormats
from terminals.states import DeliveryState, Wave
from terminals.tally import counts as tally

ONE_IN_A_FILE = Q(type__holds_only_one=True) | Q(type__trust_format=TrustFormats.DER)


def served_first(situation: Situation) -> TerminalQuerySet:
    """The terminals of the work list that get the active pair first: none while no pair is prepared or held, or when the
    active pair carries no calls any more.
    """
    active = situation.active
    if situation.pending is None or active is None or active.withdrawn_at is not None or not situation.active_is_served:
        return Terminal.objects.none()
    types = _types_with_somebody_left(active)
    if not types:
        return Terminal.objects.none()
    settled = Installation.objects.of(active).filter(Q(confirmed_at__isnull=False) | Q(state=DeliveryState.SKIPPED))
    return Terminal.objects.enabled().filter(type__in=types).without(settled)


def _types_with_somebody_left(active: Generation) -> list[int]:
    """The types whose file holds one certificate, and of whose terminals not all have settled this pair."""
    of_type = ONE_IN_A_FILE & Q(type__method__in=BY_HAND_METHODS)
    settled = tally.by_type(active, of_type & (Q(trusted=True) | Q(state=DeliveryState.SKIPPED)))
    enabled = tally.terminals_by_type(of_type & Q(enabled=True))
    return [type_ for type_, count in enabled.items() if settled.get(type_, 0) < count]


def take_in(situation: Situation) -> None:
    """Give each terminal that gets the active pair first a place on the work list of that pair, where it has none."""
    active, of_type = situation.active, ONE_IN_A_FILE & Q(type__method__in=BY_HAND_METHODS)
    if active is None or tally.all_have_one(active, of_type):
        return
    without = served_first(situation).without(Installation.objects.of(active))
    rows = [
        {"generation": active.number, "terminal": key, "wave": Wave.BY_HAND.value}
        for key in without.values_list("pk", flat=True)
    ]
    execute(inserts(Installation, rows))
