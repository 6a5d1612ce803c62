"""The terminals that a person asks for, cut into pages: each page costs about the same, whatever their number (rule pages).

Their number is read from the tallies. A page of the second half is read from the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from terminals.directory.searching import Hits, search
from terminals.directory.states import BY_NEED, DISABLED, NOT_YET, ORDERS, with_need
from terminals.models import Installation, Terminal, TerminalType
from terminals.tally import counts as tally

M = TypeVar("M", bound=Model)

DENSE = 50
"""Where one in so many is wanted, walking by number finds a page sooner than sorting all that are wanted."""


@dataclass(frozen=True)
class FoundTerminals:
    """What a `Paginator` wants. `chosen`: text, type, state and order, each of which may be missing; `target`: the generation whose
    states count; `types`: all of them by name.
    """

    chosen: Mapping[str, str]
    target: int | None
    types: tuple[TerminalType, ...]

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, place: slice) -> list[Terminal]:
        start, stop = place.start, min(place.stop, self.count())
        if self.hits is None and self._order in {"type", "-type"}:
            return self._across_types(start, stop)
        if self.hits is None and self._order in {"state", "-state"} and not self.chosen.get("state"):
            return self._across_states(start, stop)
        return cut(self.terminals, self.count(), start, stop)

    def count(self) -> int:
        return self._count

    @property
    def more(self) -> int | None:
        """That more match the text than are listed: how many are; None where all are."""
        return len(self.hits.keys) if self.hits is not None and self.hits.more else None

    @cached_property
    def hits(self) -> Hits | None:
        """Of the text; None where there is none."""
        text = self.chosen.get("text")
        return search(text) if text else None

    @property
    def _order(self) -> str:
        return self.chosen.get("order") or "number"

    @property
    def _of_type(self) -> Q:
        type_ = self.chosen.get("type")
        return Q(type=int(type_)) if type_ else tally.ANY

    @cached_property
    def _count(self) -> int:
        if self.hits is not None:
            return self.terminals.order_by().count()
        state = self.chosen.get("state")
        counted = self._count_of(state) if state else tally.terminals(self._of_type)
        # A tally that is wrong until it is mended makes a list shorter, and not a page that cannot be shown.
        return max(counted, 0)

    @cached_property
    def _counted(self) -> dict[str, int]:
        return {}

    def _count_of(self, state: str) -> int:
        if state not in self._counted:
            self._counted[state] = self._tallied(state)
        return self._counted[state]

    def _tallied(self, state: str) -> int:
        if state == DISABLED:
            return tally.terminals(self._of_type & Q(enabled=False))
        if state == NOT_YET:
            return tally.enabled_terminals(self._of_type) - tally.installations(self.target, self._of_type)
        return tally.installations(self.target, self._of_type & Q(state=state))

    @cached_property
    def terminals(self) -> QuerySet[Terminal]:
        """All of them, in their order."""
        found = with_need(self.target) if self._order in {"state", "-state"} else Terminal.objects.all()
        found = found.filter(self._of_type).order_by(*ORDERS[self._order])
        if self.hits is not None:
            found = found.filter(pk__in=self.hits.keys)
        if state := self.chosen.get("state"):
            found = self._in_state(found, state)
        return found.defer("notes", "own_lines", "sip_password")

    def _in_state(self, found: QuerySet[Terminal], state: str) -> QuerySet[Terminal]:
        if state == DISABLED:
            return found.filter(enabled=False)
        rows = Installation.objects.of(self.target)
        if state == NOT_YET:
            return found.filter(enabled=True).exclude(rows.of_the_terminal())
        rows = rows.filter(state=state)
        if self._count_of(state) * DENSE < tally.terminals(self._of_type):
            return found.filter(enabled=True, pk__in=rows.values("terminal"))
        return found.filter(rows.of_the_terminal(), enabled=True)

    def _across_states(self, start: int, stop: int) -> list[Terminal]:
        """By need, then by number: from each state what falls into the page."""
        backwards = self._order == "-state"
        alike = Terminal.objects.filter(self._of_type).order_by("-number" if backwards else "number")
        page: list[Terminal] = []
        for before, count, state in self._states(backwards=backwards):
            first, last = max(start - before, 0), min(stop - before, count)
            if first < last:
                found = self._in_state(alike, state).defer("notes", "own_lines", "sip_password")
                page += cut(found, count, first, last)
        return page

    def _across_types(self, start: int, stop: int) -> list[Terminal]:
        """By the name of the type, then by number: from each type what falls into the page, in three queries at most. A database
        that is to sort by the name sorts all terminals.
        """
        backwards = self._order == "-type"
        number = "-number" if backwards else "number"
        counted = self._counted_by_type
        before = 0
        page: dict[int, list[Terminal]] = {}
        whole = []
        for type_ in reversed(self.types) if backwards else self.types:
            count = counted.get(type_.pk, 0)
            first, last = max(start - before, 0), min(stop - before, count)
            before += count
            if first >= last:
                continue
            if last - first == count:
                whole.append(type_.pk)
                page[type_.pk] = []
            else:
                page[type_.pk] = cut(self.terminals.filter(type=type_).order_by(number), count, first, last)
        # In the order of the index, and no more than there is room for, whatever the tally says.
        for terminal in self.terminals.filter(type__in=whole).order_by("type_id", number)[: stop - start]:
            page[terminal.type_id].append(terminal)
        return [terminal for alike in page.values() for terminal in alike]

    @property
    def _counted_by_type(self) -> dict[int, int]:
        """How many terminals are listed of each type."""
        state = self.chosen.get("state")
        if not state:
            return tally.terminals_by_type(self._of_type)
        if state == DISABLED:
            return tally.terminals_by_type(self._of_type & Q(enabled=False))
        if state == NOT_YET:
            taken_in = tally.by_type(self.target, self._of_type)
            enabled = tally.terminals_by_type(self._of_type & Q(enabled=True))
            return {type_: count - taken_in.get(type_, 0) for type_, count in enabled.items()}
        return tally.by_type(self.target, self._of_type & Q(state=state))

    def _states(self, *, backwards: bool) -> Iterator[tuple[int, int, str]]:
        """How many come before those of a state, and how many are in it."""
        before = 0
        for state in reversed(BY_NEED) if backwards else BY_NEED:
            count = self._count_of(state)
            yield before, count, state
            before += count


def cut(rows: QuerySet[M], count: int, start: int, stop: int) -> list[M]:
    """These of `count` rows, read from the end that is nearer."""
    if start <= count - stop:
        return list(rows[start:stop])
    return list(rows.reverse()[max(count - stop, 0) : max(count - start, 0)])[::-1]
