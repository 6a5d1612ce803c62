"""Who needs a person: the first of them by number, for a message that names them."""

from typing import Any

from django.db.models import Q, QuerySet

from terminals.drivers.registry import BY_HAND_METHODS
from terminals.models import Installation, Terminal
from terminals.states import SETTLED, DeliveryState, Wave

NAMED_AT_MOST = 5


def who_is_left(generation: int) -> tuple[str, ...]:
    """Of those whom `RolloutProgress.needs_person` counts; of very many the first that are found."""
    left = Q(wave=Wave.BY_HAND) & ~Q(state__in=SETTLED) | Q(state=DeliveryState.FULL)
    rows = Installation.objects.of(generation).of_enabled_terminals().filter(left).some().order_by("terminal__number")
    return _names(rows.values_list("terminal__number", "terminal__name"))


def who_will_be_left() -> tuple[str, ...]:
    """Of those whom the next generation puts on the work list."""
    terminals = Terminal.objects.enabled().of_methods(BY_HAND_METHODS).order_by("number")
    return _names(terminals.values_list("number", "name"))


def _names(numbers_and_names: QuerySet[Any, tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{number} {name}".strip() for number, name in numbers_and_names[:NAMED_AT_MOST])
