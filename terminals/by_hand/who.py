"""Who needs a person: the first of them by number, for a message that names them."""

from django.db.models import Q

from terminals.drivers.registry import BY_HAND_METHODS
from terminals.models import Installation, Terminal
from terminals.states import SETTLED, DeliveryState, Wave

NAMED_AT_MOST = 5


def who_is_left(generation: int) -> tuple[str, ...]:
    """Of those whom `RolloutProgress.needs_person` counts; of very many the first that are found."""
    left = Q(wave=Wave.BY_HAND) & ~Q(state__in=SETTLED) | Q(state=DeliveryState.FULL)
    rows = Installation.objects.of(generation).of_enabled_terminals().filter(left).some()
    named = rows.order_by("terminal__number").values_list("terminal__number", "terminal__name")
    return tuple(f"{number} {name}".strip() for number, name in named[:NAMED_AT_MOST])


def who_will_be_left() -> tuple[str, ...]:
    """Of those whom the next generation puts on the work list."""
    return tuple(map(str, Terminal.objects.enabled().of_methods(BY_HAND_METHODS).order_by("number")[:NAMED_AT_MOST]))
