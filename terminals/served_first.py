"""Who gets the certificate that the server presents now before that of the next pair.

Without the one that is presented a terminal has no calls. A file of several certificates brings both; one that holds a single
certificate does not, so a terminal that was added during a handover, or that nobody has confirmed yet, gets that of the active
pair first. When it has that, the next one is due: now where it holds both, at the switch where it holds only one.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from certificates.situation import Situation
from terminals.models import Installation, Methods, Terminal, TrustFormats
from terminals.waves import State, Wave


def served_first(situation: Situation) -> QuerySet[Terminal]:
    """Terminals of the work list. None where no other pair is handed out, or the active one carries no calls any more."""
    active = situation.active
    if situation.pending is None or active is None or active.withdrawn_at is not None or not situation.active_is_served:
        return Terminal.objects.none()
    one_in_a_file = Q(type__holds_only_one=True) | Q(type__trust_format=TrustFormats.DER)
    settled = Installation.objects.filter(
        Q(confirmed_at__isnull=False) | Q(state=State.SKIPPED.value), generation=active, terminal=OuterRef("pk")
    )
    by_hand = Terminal.objects.filter(one_in_a_file, enabled=True, type__method=Methods.SIP_STANDARD)
    return by_hand.exclude(Exists(settled))


def take_in(situation: Situation) -> None:
    """A place on the work list for those of them that have none."""
    known = Installation.objects.filter(generation=situation.active, terminal=OuterRef("pk"))
    keys = served_first(situation).exclude(Exists(known)).values_list("pk", flat=True)
    Installation.objects.bulk_create(
        [Installation(generation=situation.active, terminal_id=key, wave=Wave.BY_HAND.value) for key in keys],
        ignore_conflicts=True,
    )
