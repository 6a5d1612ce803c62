"""Who asks for a terminal's files: one row for each address that did (rule requesters)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from pbxcerts.system.network.one_address import source_of
from terminals.batches import SIZE, Statement, execute, in_batches, inserts, one_writer, updates
from terminals.checking.models import RenamedFiles
from terminals.drivers.base import Confirmation
from terminals.drivers.registry import drivers
from terminals.evidence.addresses import family_of
from terminals.evidence.facts import Fetched, FetchedConfiguration, FetchedTrust
from terminals.evidence.models import Requester
from terminals.models import Terminal

MOST_OF_A_FAMILY = 8
"""Addresses of IPv4, and as many of IPv6, that are remembered of a terminal: a stranger may have thousands."""
MOST_GENERATIONS = 32
SAME_FETCH = timedelta(minutes=1)
"""A trust anchor that is taken again so soon is the same fetch, begun twice or written down twice."""
SPAN = max(
    driver.capabilities.answers_within
    for driver in drivers().values()
    if driver.capabilities.confirmation is Confirmation.FETCH
)
"""After a NOTIFY that was answered: a telephone may be back as late as that."""
LEFT_TIMES = 3
"""So often a telephone takes a configuration and not what this names, before anything is made of it."""
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


class Remembered(NamedTuple):
    """`statements` are three at most for some hundred facts; `gone`: the keys of rows that are to go; `refused`: what was fetched by
    one whose list is full, which does not take it (rule full-list); `renamed`: whose trust files get other names, and since when.
    """

    statements: list[Statement]
    gone: list[int]
    refused: set[FetchedTrust]
    renamed: dict[int, datetime]


def remembered(
    seen: Sequence[Fetched],
    known: Known,
    *,
    in_turn: Mapping[int, int | None] = MappingProxyType({}),
    is_own: Callable[[Fetched], bool] = lambda one: False,
) -> Remembered:
    """Remember who has fetched what; `known` is brought up to date. `in_turn`: how many trust anchors each terminal can hold that takes
    them so, None where that is not known. `is_own`: whether it was the terminal.
    """
    changed: dict[tuple[int, str], Requester] = {}
    held: set[tuple[int, str]] = set()
    refused: set[FetchedTrust] = set()
    renamed: dict[int, datetime] = {}
    for one in seen:
        source = source_of(one.address)
        row = known[one.terminal].get(source)
        if row is None:
            row = Requester(terminal_id=one.terminal, source=source, last_at=one.at, first_at=one.at, took=[], holds=[])
            known[one.terminal][source] = row
        row.address = one.address[:64]
        own = is_own(one)
        newest = _newest(row, known[one.terminal].values()) if own else row
        had_left = is_left(row)
        if isinstance(one, FetchedConfiguration) and own:
            _named(row, one)
        row.last_at = _later(row.last_at, one.at)
        if one.terminal in in_turn and isinstance(one, FetchedConfiguration):
            if _has_it_already(row, newest):
                held.add((one.terminal, source))
            elif is_left(row) and not had_left:
                renamed[one.terminal] = one.at
        if isinstance(one, FetchedTrust):
            row.named, row.named_since, row.named_times = [], None, 0
            if one.terminal not in in_turn:
                row.took = _and_also(row.took, one)
            elif is_full(newest.holds, in_turn[one.terminal]) and one.generations.isdisjoint(newest.holds):
                refused.add(one)
            else:
                row.took = _and_also(row.took, one)
                if _takes_in_turn(row, one, newest, own=own):
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
    return Remembered(statements, sorted(row.pk for row in gone if not row._state.adding), refused, renamed)


def _and_also(took: Sequence[int], one: FetchedTrust) -> list[int]:
    return sorted({*took, *one.generations}, reverse=True)[:MOST_GENERATIONS]


def _said(row: Requester) -> dict[str, Any]:
    return {
        "address": row.address,
        "last_at": row.last_at,
        "took": row.took,
        "holds": row.holds,
        "held_at": row.held_at,
        "held_proved": row.held_proved,
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


def is_full(held: Sequence[int], most: int | None) -> bool:
    return most is not None and len(held) >= most


def _newest(row: Requester, known: Iterable[Requester]) -> Requester:
    """Where the telephone took a trust anchor last that comes from there now: at a new address it has what it took at the one before."""
    its_own = [other for other in known if other.held_at is not None and (other.held_proved or other.accepted_by)]
    return max([row, *its_own], key=lambda one: (one.held_at is not None, one.held_at or one.last_at))


def _takes_in_turn(row: Requester, one: FetchedTrust, newest: Requester, *, own: bool) -> bool:
    """Whether this changes what is known of the trust anchors that it has taken. Who takes one again where it took the last one has
    lost all (rule anchors-in-turn); who does at another address may have: the older ones still need their room, the others it is told
    again.
    """
    again = not one.generations.isdisjoint(row.holds)
    if newest is not row:
        kept = [number for number in newest.holds if number < min(one.generations)]
    elif again and row.held_at is not None and one.at <= row.held_at + SAME_FETCH:
        return False
    else:
        kept = [] if again else row.holds
    row.holds = [*kept, *sorted(one.generations)][-MOST_GENERATIONS:]
    row.held_at, row.held_proved = one.at, own
    return True


def _has_it_already(row: Requester, newest: Requester) -> bool:
    """Whether a telephone leaves what it is told because it has taken it at another address: it may not fetch again what has the name
    that it knows. Then it is told what comes next.
    """
    if newest is row or not is_left(row) or not set(newest.holds).issuperset(row.named):
        return False
    row.holds, row.held_at, row.held_proved = list(newest.holds), row.last_at, True
    row.named, row.named_since, row.named_times = [], None, 0
    return True


def is_left(row: Requester) -> bool:
    """Whether it has left what it is told (rule unheeded): often enough, and for longer than a telephone takes to answer."""
    since = row.named_since
    return since is not None and row.named_times >= LEFT_TIMES and row.last_at - since > SPAN


def held_in_turn(rows: Iterable[Requester]) -> dict[int, list[int]]:
    """Which trust anchors each terminal has taken in turn since it began anew: by what provably took the last one in its name, or
    began anew, else by what took the last one at all.
    """
    known = sorted((row for row in rows if row.change), key=lambda row: (row.held_proved is not False, row.change))
    return {row.terminal_id: list(row.holds) for row in known}


def begin_anew(terminal: int) -> None:
    """A person says that this telephone has lost what it had taken in turn: it is told all of it again (rule anchors-in-turn)."""
    rows = Requester.objects.filter(terminal=terminal, change__gt=0)
    with one_writer():
        rows.update(holds=[], held_at=None)
        execute(_numbered([(terminal, source) for source in rows.values_list("source", flat=True)]))


def has_room(terminals: Sequence[int], *, kept: Collection[int]) -> None:
    """A person says that these telephones have lost all that they had taken in turn but these: they are told what comes next (rule
    full-list).
    """
    for batch in in_batches(terminals):
        with one_writer():
            rows = list(Requester.objects.filter(terminal__in=batch, change__gt=0))
            for row in rows:
                row.holds = [number for number in row.holds if number in kept]
            Requester.objects.bulk_update(rows, ["holds"], batch_size=SIZE)
            execute(_numbered([(row.terminal_id, row.source) for row in rows]))


def rename_files(since: Mapping[int, datetime]) -> None:
    """The trust files of these terminals have other names since then. The caller is alone (rule one-writer)."""
    if not since:
        return
    still_there = Terminal.objects.filter(pk__in=since).values_list("pk", flat=True)
    RenamedFiles.objects.bulk_create(
        [RenamedFiles(terminal_id=terminal, at=since[terminal]) for terminal in still_there],
        update_conflicts=True,
        unique_fields=["terminal"],
        update_fields=["at"],
    )


def _numbered(held: Sequence[tuple[int, str]]) -> list[Statement]:
    """Each gets the next number of a change. There is one writer at a time, so that none comes after a larger one."""
    rows = [{"terminal": terminal, "source": source} for terminal, source in held]
    following = f"(SELECT coalesce(max(o.change), 0) + 1 FROM {Requester._meta.db_table} AS o)"  # noqa: S608 - a constant
    return updates(Requester, rows, match=["terminal", "source"], also={"change": following})


def _later(before: datetime, now: datetime) -> datetime:
    return now if before > now + NO_LONGER_NOW else max(before, now)


def _surplus(rows: dict[str, Requester]) -> list[Requester]:
    """Take out of `rows` those of each family that were seen the longest ago, and return them; an accepted one stays. Those at which the
    telephone itself may have taken something are counted by themselves: a stranger with many addresses drives out none of them.
    """

    def kind(row: Requester) -> tuple[int, bool]:
        return family_of(row.source), _may_be_its_own(row)

    newest = sorted(rows.values(), key=attrgetter("last_at"), reverse=True)
    alike = sorted((row for row in newest if not row.accepted_by), key=kind)
    gone = [row for _kind, some in groupby(alike, kind) for row in [*some][MOST_OF_A_FAMILY:]]
    for row in gone:
        del rows[row.source]
    return gone


def _may_be_its_own(row: Requester) -> bool:
    """Whether it says what the telephone holds (`held_in_turn`). Of rows of older versions nobody knows whether a stranger took it."""
    return row.held_proved if row.held_proved is not None else bool(row.holds)
