"""Which telephones restart next, and in what order (rules waves, first-wave)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pbxcerts.system.database.prepared import prepared_values
from terminals.drivers.registry import RESTARTING_METHODS
from terminals.models import Installation
from terminals.rollout.progress import RolloutProgress
from terminals.states import CLAIMABLE, DeliveryState, Wave

NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Turn:
    """So many telephones of one wave; `names`: of those that come first in it."""

    wave: Wave
    count: int
    names: tuple[str, ...]

    @property
    def text(self) -> str:
        said = ngettext("%(count)s telephone", "%(count)s telephones", self.count) % {"count": self.count}
        if not self.names:
            return said
        more = ", …" if self.count > len(self.names) else ""
        return f"{said}: {', '.join(self.names)}{more}"

    @property
    def label(self) -> str:
        return str(Installation.Waves(self.wave).label)


def turns(progress: RolloutProgress, *, at_most: int) -> list[Turn]:
    """Of the next `at_most` telephones that restart, in the order in which they are asked. A query for each wave."""
    return list(_turns(progress, at_most))


def _turns(progress: RolloutProgress, left: int) -> Iterator[Turn]:
    rows = [row for row in progress.rows if row.method in RESTARTING_METHODS and row.wave != Wave.BY_HAND]
    for row in sorted(rows, key=lambda one: one.wave):
        count = min(left, sum(row.states[state] for state in CLAIMABLE))
        if count:
            yield Turn(row.wave, count, _first_names(progress, row.method, row.wave, count))
            left -= count


def _first_names(progress: RolloutProgress, method: str, wave: Wave, count: int) -> tuple[str, ...]:
    found = _not_asked_yet(progress.rollout.generation_id, method, wave)
    return tuple(f"{number} {name}".strip() for number, name in found[:count])


@prepared_values
def _not_asked_yet(generation: int, method: str, wave: int) -> QuerySet[Installation, tuple[str, str]]:
    """The index leads to them by state and wave, and they are asked by their keys."""
    waiting = Installation.objects.of(generation).of_enabled_terminals().of_methods([method])
    waiting = waiting.in_state(DeliveryState.WAITING).filter(wave=wave, next_at=None).order_by("pk")
    return waiting.values_list("terminal__number", "terminal__name")[:NAMED_AT_MOST]


def what_holds_them(progress: RolloutProgress) -> str:
    """Why nobody is asked; "" where nothing holds the rollout."""
    return (
        _("The rollout is paused or has stopped: no telephone restarts until a person continues it.")
        if progress.rollout.is_held_up
        else ""
    )
