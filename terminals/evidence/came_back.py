"""Telephones that were told to check where certificates come from: which of them have read it, and which came back (rule checking);
and those that were told to stop, to empty their list (rule emptied-list).
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from pbxcerts.system.time.clock import STILL_NOW
from terminals.batches import Statement, execute, in_batches, one_writer, updates
from terminals.checking.models import ANOTHER_TIME, Checking, RenamedFiles, next_change
from terminals.evidence.facts import CameBack
from terminals.evidence.fetches import Judge, telephone_networks
from terminals.evidence.ledger import of_listed
from terminals.evidence.requesters import begin_anew, known_requesters, rename_files
from terminals.models import Terminal, TerminalType

State = Checking.State


def came_back(seen: Sequence[CameBack]) -> None:
    """Only where it is shown that it was the telephone itself it changes anything (rule proved-fetch)."""
    ours, listed = of_listed(seen)
    judge = Judge(listed, known_requesters(listed), telephone_networks() if ours else ())
    own = [one for one in ours if one.by_secret_path or judge.proof_by(one.terminal, one.address) is not None]
    rows: dict[int, Checking] = {}
    types: dict[int, Terminal] = {}
    for batch in in_batches(sorted({one.terminal for one in own})):
        rows |= Checking.objects.in_bulk(batch)
        types |= Terminal.objects.select_related("type").defer("type__guide_de", "type__guide_en").in_bulk(batch)
    read: dict[int, Mapping[str, Any]] = {}
    shown, off = [], []
    took: dict[int, Mapping[str, Any]] = {}
    for_room: dict[int, CameBack] = {}
    in_turn = sorted(own, key=attrgetter("at"))
    for one in in_turn:
        row, was_read = rows.get(one.terminal), read.get(one.terminal)
        state = State.READ if was_read else row.state if row is not None else State.TOLD
        read_at = was_read["read_at"] if was_read else row.read_at if row is not None else None
        if state == State.TOLD and one.checking and one.over_tls and one.terminal in types:
            due_at = one.at + types[one.terminal].type.comes_back_within
            read[one.terminal] = {"terminal": one.terminal, "read_at": one.at, "due_at": due_at}
        elif state == State.TOLD and one.over_tls and _counts_from_restart(types.get(one.terminal)):
            took[one.terminal] = {"terminal": one.terminal, "took_at": one.at}
        elif state == State.READ and one.over_tls and read_at is not None and one.at >= read_at + ANOTHER_TIME:
            shown.append({"terminal": one.terminal, "shown_at": one.at})
        elif state == State.TAKEN_BACK and one.checking is False:
            if row is not None and row.why != Checking.Why.ROOM:
                off.append({"terminal": one.terminal, "off_at": one.at})
            elif one.over_tls:
                for_room.setdefault(one.terminal, one)
    statements = [
        *_changes([{**values, "state": State.READ, "until": None} for values in read.values()], State.TOLD),
        *_changes([*took.values()], State.TOLD),
        *_changes([{**values, "state": State.SHOWN} for values in shown], State.READ),
        *_changes(off, State.TAKEN_BACK),
    ]
    emptied = {one.terminal: one for one in in_turn if one.empties and one.terminal in types}
    with one_writer():
        for terminal, one in for_room.items():
            _stopped(one, types[terminal].type)
        for terminal, one in emptied.items():
            _emptied(one, types[terminal].type)
    if not statements:
        return
    # Told no more meanwhile, and it has read it all the same: it checks.
    gone = [values for terminal, values in read.items() if terminal not in rows]
    with one_writer():
        change = next_change(max(one.at for one in own))
        Checking.objects.bulk_create(
            [
                Checking(
                    terminal_id=values["terminal"],
                    method=types[values["terminal"]].type.method,
                    state=State.READ,
                    asked_at=values["read_at"],
                    read_at=values["read_at"],
                    due_at=values["due_at"],
                    change=change,
                )
                for values in gone
            ],
            ignore_conflicts=True,
        )
        execute(statements)


def _counts_from_restart(one: Terminal | None) -> bool:
    return one is not None and one.type.driver.capabilities.counts_from_restart


def _stopped(one: CameBack, of: TerminalType) -> None:
    """It checks no longer, so that its list can be emptied."""
    told = Checking.objects.told_to_stop_for_room().filter(pk=one.terminal, taken_back_at__lte=one.at + STILL_NOW)
    due_at = one.at + of.comes_back_within
    told.changed_to(state=State.OFF, why="", until=None, off_at=one.at, due_at=due_at, read_at=None, shown_at=None)


def _emptied(one: CameBack, of: TerminalType) -> None:
    """Whatever it was told meanwhile, it holds nothing any more: it is told all again, under other names."""
    values = {"state": State.EMPTIED, "why": "", "until": None, "read_at": one.at, "shown_at": None}
    values["due_at"] = one.at + of.comes_back_within
    if RenamedFiles.objects.filter(pk=one.terminal, at=one.at).exists():
        return
    if not Checking.objects.filter(pk=one.terminal).changed_to(**values):
        change = next_change(one.at)
        Checking.objects.create(pk=one.terminal, method=of.method, asked_at=one.at, change=change, **values)
    rename_files({one.terminal: one.at})
    begin_anew(one.terminal)


def _changes(rows: Sequence[Mapping[str, Any]], of: Checking.State) -> list[Statement]:
    """The first of each telephone, if it is still in this state."""
    first = {row["terminal"]: row for row in reversed(rows)}
    following = f"(SELECT coalesce(max(o.change), 0) + 1 FROM {Checking._meta.db_table} AS o)"  # noqa: S608 - a constant
    where = f"t.state = '{of.value}'"
    return updates(Checking, [*first.values()], match=["terminal"], where=where, also={"change": following})
