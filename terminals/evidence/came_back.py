"""Telephones that were told to check where certificates come from: which of them have read it, and which came back (rule checking)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from terminals.batches import Statement, execute, in_batches, one_writer, updates
from terminals.checking.models import Checking, next_change
from terminals.evidence.facts import CameBack
from terminals.evidence.fetches import Judge, telephone_networks
from terminals.evidence.ledger import of_listed
from terminals.evidence.requesters import known_requesters
from terminals.models import Terminal

State = Checking.State

ANOTHER_TIME = timedelta(minutes=2)
"""Who comes so much later asks anew, over another connection (rule patience); before that it may be the end of the same time."""


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
    for one in sorted(own, key=lambda fact: fact.at):
        row, was_read = rows.get(one.terminal), read.get(one.terminal)
        state = State.READ if was_read else row.state if row is not None else State.TOLD
        read_at = was_read["read_at"] if was_read else row.read_at if row is not None else None
        if state == State.TOLD and one.checking and one.over_tls and one.terminal in types:
            due_at = one.at + types[one.terminal].type.comes_back_within
            read[one.terminal] = {"terminal": one.terminal, "read_at": one.at, "due_at": due_at}
        elif state == State.READ and one.over_tls and read_at is not None and one.at >= read_at + ANOTHER_TIME:
            shown.append({"terminal": one.terminal, "shown_at": one.at})
        elif state == State.TAKEN_BACK and one.checking is False:
            off.append({"terminal": one.terminal, "off_at": one.at})
    statements = [
        *_changes([{**values, "state": State.READ, "until": None} for values in read.values()], State.TOLD),
        *_changes([{**values, "state": State.SHOWN} for values in shown], State.READ),
        *_changes(off, State.TAKEN_BACK),
    ]
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


def _changes(rows: Sequence[Mapping[str, Any]], of: Checking.State) -> list[Statement]:
    """The first of each telephone, if it is still in this state."""
    first = {row["terminal"]: row for row in reversed(rows)}
    following = f"(SELECT coalesce(max(o.change), 0) + 1 FROM {Checking._meta.db_table} AS o)"  # noqa: S608 - a constant
    where = f"t.state = '{of.value}'"
    return updates(Checking, [*first.values()], match=["terminal"], where=where, also={"change": following})
