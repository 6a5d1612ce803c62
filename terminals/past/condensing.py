"""Installations of generations that can never be served again become one row for each terminal (rule condensed)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from certificates.models import Generation
from certificates.renewal.situation import Situation
from terminals.batches import execute, in_batches, inserts, one_writer, updates
from terminals.models import Installation, InstallationQuerySet, Terminal
from terminals.past.entries import Entry
from terminals.past.models import PastInstallations
from terminals.tally.models import InstallationTally

KEPT_GENERATIONS = 12
"""As many as the older versions of a trust file that are given out (rule versioned-file)."""
KEPT_FOR = timedelta(days=90)
"""After the end of the pair, by both clocks."""
AT_ONCE = 10_000

_State = Generation.State
OVER = (_State.SUPERSEDED, _State.DISCARDED, _State.WITHDRAWN, _State.FAILED)


def condense(situation: Situation, *, at_most: int = AT_ONCE) -> int:
    """Returns how many installations were. The rest is left for the next time."""
    numbers = long_over(situation)
    if not numbers:
        return 0
    keys = list(_condensable(numbers).order_by("generation", "terminal_id").values_list("pk", flat=True)[:at_most])
    for batch in in_batches(keys):
        _condense(batch)
    if keys:
        InstallationTally.objects.filter(generation__in=numbers, count=0).delete()
    return len(keys)


def long_over(situation: Situation) -> list[int]:
    """The generations with installations that no rule can serve again: their pair has ended long ago, and many came after it."""
    active, clock = situation.active, situation.clock
    if active is None or situation.standing.rests:
        return []
    before = min(clock.best, clock.machine) - KEPT_FOR
    over = Generation.objects.filter(state__in=OVER, number__lt=active.number - KEPT_GENERATIONS)
    ended = over.filter(Q(end=None) | Q(end__lt=before))
    with_any = InstallationTally.objects.filter(count__gt=0, generation__in=ended.values("number"))
    return sorted(set(with_any.order_by().values_list("generation", flat=True)))


def _condensable(numbers: Sequence[int]) -> InstallationQuerySet:
    """Not the newest root of a terminal that was served some day: by that it is known to be cut off (rule cut-off)."""
    newer = Installation.objects.trusted().filter(
        terminal=OuterRef("terminal"), generation__gt=OuterRef("generation"), generation__activated_at__isnull=False
    )
    return Installation.objects.filter(Q(confirmed_at=None) | Exists(newer), generation__in=numbers)


@one_writer()
def _condense(keys: Sequence[int]) -> None:
    found: dict[int, dict[int, Entry]] = {}
    for row in Installation.objects.filter(pk__in=keys):
        found.setdefault(row.terminal_id, {})[row.generation_id] = Entry.of(row)
    known = {one.terminal_id: one for one in PastInstallations.objects.filter(terminal__in=found)}
    new: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    for terminal in Terminal.objects.filter(pk__in=found).order_by().values_list("pk", flat=True):
        before = known.get(terminal)
        # What was written down first stands (rule ledger).
        entries = found[terminal] | {one.generation: one for one in read(before)}
        line = {
            "terminal": terminal,
            "entries": [entries[number].stored() for number in sorted(entries, reverse=True)],
        }
        (new if before is None else again).append(line)
    statements = [*inserts(PastInstallations, new), *updates(PastInstallations, again, match=["terminal"])]
    execute(statements)
    Installation.objects.filter(pk__in=keys).delete()


def read(past: PastInstallations | None) -> list[Entry]:
    """The newest generation first."""
    return [Entry.read(one) for one in past.entries] if past is not None else []
