"""Who asks for a terminal's files: one row for each address that did (rule requesters)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from pbxcerts.system.one_address import source_of
from terminals.batches import Statement, execute, in_batches, inserts, one_writer, updates
from terminals.evidence.addresses import family_of
from terminals.evidence.facts import Fetched, FetchedConfiguration, FetchedTrust
from terminals.models import Requester

MOST_OF_A_FAMILY = 8
"""Addresses of IPv4, and as many of IPv6, that are remembered of a terminal: a stranger may have thousands."""
MOST_GENERATIONS = 32
SAME_FETCH = timedelta(minutes=1)
"""A trust anchor that is taken again so soon is the same fetch, begun twice or written down twice."""
MOST_TIMES = 1000
"""It is no longer counted then."""
NO_LONGER_NOW = timedelta(days=1)
"""What lies further ahead of something newer was written by a wrong clock (rule written-ahead)."""

Known = dict[int, dict[str, Requester]]
"""By terminal and source."""


def known_requesters(terminals: Iterable[int]) -> Known:
    """One query for some hundred terminals."""
    known: Known = defaultdict(dict)
    for batch in in_batches(sorted(set(terminals))):
        for row in Requester.objects.filter(terminal__in=batch).order_by():
            known[row.terminal_id][row.source] = row
    return known


def remembered(
    seen: Sequence[Fetched],
    known: Known,
    *,
    in_turn: Collection[int] = (),
    is_own: Callable[[Fetched], bool] = lambda one: False,
) -> tuple[list[Statement], list[int]]:
    """Statements that remember who has fetched what, three at most for some hundred facts, and the keys of rows that are to go;
    `known` is brought up to date. `in_turn`: the terminals that take their trust anchors so. `is_own`: whether it was the terminal.
    """
    changed: dict[tuple[int, str], Requester] = {}
    held: set[tuple[int, str]] = set()
    for one in seen:
        source = source_of(one.address)
        row = known[one.terminal].get(source)
        if row is None:
            row = Requester(terminal_id=one.terminal, source=source, last_at=one.at, first_at=one.at, took=[], holds=[])
            known[one.terminal][source] = row
        row.address = one.address[:64]
        if isinstance(one, FetchedConfiguration) and is_own(one):
            _named(row, one)
        row.last_at = _later(row.last_at, one.at)
        if isinstance(one, FetchedTrust):
            row.named, row.named_since, row.named_times = [], None, 0
            row.took = sorted({*row.took, *one.generations}, reverse=True)[:MOST_GENERATIONS]
            if one.terminal in in_turn and _takes_in_turn(row, one):
                held.add((one.terminal, source))
        changed[one.terminal, source] = row
    gone = [row for terminal in {one.terminal for one in seen} for row in _surplus(known[terminal])]
    left = [row for (terminal, source), row in changed.items() if source in known[terminal]]
    new = [
        {"terminal": row.terminal_id, "source": row.source, "first_at": row.first_at, **_said(row)}
        for row in left
        if row._state.adding
    ]
    again = [{"id": row.pk, **_said(row)} for row in left if not row._state.adding]
    statements = inserts(Requester, new) + updates(Requester, again, match=["id"]) + _numbered(sorted(held))
    return statements, sorted(row.pk for row in gone if not row._state.adding)


def _said(row: Requester) -> dict[str, Any]:
    return {
        "address": row.address,
        "last_at": row.last_at,
        "took": row.took,
        "holds": row.holds,
        "held_at": row.held_at,
        "named": row.named,
        "named_since": row.named_since,
        "named_times": row.named_times,
    }


def _named(row: Requester, one: FetchedConfiguration) -> None:
    """Count how often it took its configuration and left the trust file that this names; `last_at` is that of the time before."""
    left = sorted(one.named.difference(row.took))
    if not left:
        row.named, row.named_since, row.named_times = [], None, 0
    elif left != row.named or row.named_since is None or one.at < row.named_since:
        row.named, row.named_since, row.named_times = left, one.at, 1
    elif one.at >= row.last_at + SAME_FETCH:
        row.named_times = min(row.named_times + 1, MOST_TIMES)


def _takes_in_turn(row: Requester, one: FetchedTrust) -> bool:
    """Whether this changes what is known of the trust anchors that it has taken. Who takes one again has lost all (rule
    anchors-in-turn).
    """
    again = not one.generations.isdisjoint(row.holds)
    if again and row.held_at is not None and one.at <= row.held_at + SAME_FETCH:
        return False
    row.holds = [*([] if again else row.holds), *sorted(one.generations)][-MOST_GENERATIONS:]
    row.held_at = one.at
    return True


def begin_anew(terminal: int) -> None:
    """A person says that this telephone has lost what it had taken in turn: it is told all of it again (rule anchors-in-turn)."""
    rows = Requester.objects.filter(terminal=terminal, change__gt=0)
    with one_writer():
        rows.update(holds=[], held_at=None)
        execute(_numbered([(terminal, source) for source in rows.values_list("source", flat=True)]))


def _numbered(held: Sequence[tuple[int, str]]) -> list[Statement]:
    """Each gets the next number of a change. There is one writer at a time, so that none comes after a larger one."""
    rows = [{"terminal": terminal, "source": source} for terminal, source in held]
    following = f"(SELECT coalesce(max(o.change), 0) + 1 FROM {Requester._meta.db_table} AS o)"  # noqa: S608 - a constant
    return updates(Requester, rows, match=["terminal", "source"], also={"change": following})


def _later(before: datetime, now: datetime) -> datetime:
    return now if before > now + NO_LONGER_NOW else max(before, now)


def _surplus(rows: dict[str, Requester]) -> list[Requester]:
    """Take out of `rows` those of each family that were seen the longest ago, and return them; an accepted one stays."""
    newest = sorted(rows.values(), key=attrgetter("last_at"), reverse=True)
    alike = sorted((row for row in newest if not row.accepted_by), key=lambda row: family_of(row.source))
    gone = [
        row for _family, some in groupby(alike, lambda row: family_of(row.source)) for row in [*some][MOST_OF_A_FAMILY:]
    ]
    for row in gone:
        del rows[row.source]
    return gone
