"""Terminals that get the certificate of the active pair before that of the prepared one (rule served-first).

The prepared pair is due after that: at once if the terminal can hold both, at the switch if it holds only one.
"""

from django.db.models import Q

from certificates.renewal.situation import Situation
from terminals.drivers.registry import BY_HAND_METHODS
from terminals.models import Installation, Terminal, TerminalQuerySet, TrustFormats
from terminals.states import DeliveryState, Wave


def served_first(situation: Situation) -> TerminalQuerySet:
    """The terminals of the work list that get the active pair first: none while no pair is prepared or held, or when the
    active pair carries no calls any more.
    """
    active = situation.active
    if situation.pending is None or active is None or active.withdrawn_at is not None or not situation.active_is_served:
        return Terminal.objects.none()
    one_in_a_file = Q(type__holds_only_one=True) | Q(type__trust_format=TrustFormats.DER)
    settled = Installation.objects.of(active).filter(Q(confirmed_at__isnull=False) | Q(state=DeliveryState.SKIPPED))
    by_hand = Terminal.objects.enabled().filter(one_in_a_file, type__method__in=BY_HAND_METHODS)
    return by_hand.without(settled)


def take_in(situation: Situation) -> None:
    """Give each terminal that gets the active pair first a place on the work list of that pair, where it has none."""
    without = served_first(situation).without(Installation.objects.of(situation.active))
    Installation.objects.bulk_create(
        [
            Installation(generation=situation.active, terminal_id=key, wave=Wave.BY_HAND.value)
            for key in without.values_list("pk", flat=True)
        ],
        ignore_conflicts=True,
    )
