"""The rows of the list of terminals: what is known of each in the reader's words, so that a template has only to put it in its place."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from pbxcerts.system.time import time_words
from terminals.directory.listing import TerminalLine
from terminals.models import Installation

NOTHING = "\N{EN DASH}"
BETWEEN = " \N{MIDDLE DOT} "
EVIDENCE_WORDS: Mapping[str, str | Promise] = {
    Installation.Evidence.FETCHED: pgettext_lazy("evidence", "fetched"),
    Installation.Evidence.REPORTED: pgettext_lazy("evidence", "reported"),
    Installation.Evidence.PROVED: pgettext_lazy("evidence", "proved"),
    Installation.Evidence.PERSON: pgettext_lazy("evidence", "by a person"),
}
"""What a confirmation rests on, in one word; in full it stands in the story of the terminal."""


class TerminalRow(TypedDict):
    """`page`: the address of its own page. `state` names the colour of `state_label`. Below the other cells, if `has_more`, stand `facts`:
    its address and firmware, what it trusts, when it is asked next; and `why` it has not got what is handed out. In a cell for which
    nothing is known there is a dash.

    A dict: a template looks for a key before it looks for an attribute, and each miss is an exception.
    """

    page: str
    number: str
    name: str
    type: str
    mac: str
    state: str
    state_label: str
    contact: str
    has_more: bool
    facts: str
    why: str
    is_disabled: bool


@dataclass(frozen=True)
class RowWords:
    """What is the same in all rows of a page, found once. `page_of_none`: the address of the page of a terminal that there is not."""

    page_of_none: str
    firmware: str
    trusts: str
    next_attempt: str
    evidence: dict[str, str]
    states: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> "RowWords":
        return cls(
            page_of_none=reverse("terminals:terminal", args=[0]),
            firmware=_("Firmware"),
            trusts=_("trusts %(number)s: %(evidence)s %(at)s"),
            next_attempt=_("next attempt %(at)s"),
            evidence={str(name): str(word) for name, word in EVIDENCE_WORDS.items()},
        )

    def page(self, key: int) -> str:
        before, _none, after = self.page_of_none.rpartition("0")
        return f"{before}{key}{after}"

    def state(self, line: TerminalLine) -> str:
        state = line.state, line.type.method
        if state not in self.states:
            self.states[state] = line.state_label
        return self.states[state]

    def facts(self, line: TerminalLine) -> Iterator[str]:
        if line.terminal.address:
            yield line.terminal.address
        if line.terminal.firmware:
            yield f"{self.firmware} {line.terminal.firmware}"
        for row in line.trusts:
            if row.confirmed_at is not None:
                evidence, at = self.evidence.get(row.evidence, ""), time_words.day(row.confirmed_at)
                yield self.trusts % {"number": row.generation_id, "evidence": evidence, "at": at}
        if line.next_attempt is not None:
            yield self.next_attempt % {"at": time_words.short_moment(line.next_attempt)}


def rows_of(lines: Iterable[TerminalLine]) -> list[TerminalRow]:
    words = RowWords.load()
    return [_row(line, words) for line in lines]


def _row(line: TerminalLine, words: RowWords) -> TerminalRow:
    one, facts = line.terminal, list(words.facts(line))
    if facts and line.why_missing:
        # So that the reason stands apart from them too.
        facts.append("")
    return TerminalRow(
        page=words.page(one.pk),
        number=one.number,
        name=one.name or NOTHING,
        type=str(line.type),
        mac=one.mac_text or NOTHING,
        state=line.state,
        state_label=words.state(line),
        contact=time_words.short_moment(one.last_contact) if one.last_contact is not None else NOTHING,
        has_more=bool(facts or line.why_missing),
        facts=BETWEEN.join(facts),
        why=line.why_missing,
        is_disabled=not one.enabled,
    )
