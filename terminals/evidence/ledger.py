"""Statements that write down what terminals trust, and which terminals there are to write it down for (rules ledger, any-order)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from pbxcerts.system.network.endpoint import Endpoint
from terminals.batches import Statement, in_batches, inserts, is_one_of, updates
from terminals.evidence.addresses import same_address
from terminals.evidence.facts import OfTerminal, Seen
from terminals.models import Installation, Terminal
from terminals.states import DeliveryState


class ListedTerminal(NamedTuple):
    """What the list says of a terminal that was seen."""

    address: str
    replaced_at: datetime | None

    @property
    def host(self) -> str:
        return host_of(self.address)


@lru_cache(maxsize=4096)
def host_of(address: str) -> str:
    """The address of a terminal in the list, whatever the port: that of SIP is not the one from which it fetches. Kept, because each
    of some hundred facts that are written at once asks for it several times.
    """
    return Endpoint.parse(address, default_port=0).host if address else ""


S = TypeVar("S", bound=OfTerminal)


def of_listed(seen: Sequence[S]) -> tuple[list[S], dict[int, ListedTerminal]]:
    """Those whose terminal is in the list, and what that says; what another telephone did that had its place before, is left out
    (rule another-telephone).
    """
    listed: dict[int, ListedTerminal] = {}
    for batch in in_batches(sorted({one.terminal for one in seen})):
        rows = Terminal.objects.filter(pk__in=batch).order_by().values_list("pk", "address", "replaced_at")
        listed.update((key, ListedTerminal(address, replaced_at)) for key, address, replaced_at in rows)
    ours = []
    for one in seen:
        terminal = listed.get(one.terminal)
        if terminal is not None and (terminal.replaced_at is None or one.at >= terminal.replaced_at):
            ours.append(one)
    return ours, listed


def newest_of(seen: Sequence[S]) -> list[S]:
    """The last one of each terminal."""
    return list({one.terminal: one for one in seen}.values())


def differs(one: Seen, terminal: ListedTerminal) -> bool:
    """Whether the terminal was seen at another IP address than the one in the list (rule address-differs)."""
    return bool(terminal.host) and not same_address(terminal.host, one.address)


def confirmations(rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
    """Statements that confirm these installations. One that is confirmed already keeps its first evidence."""
    first = {(row["terminal"], row["generation"]): row for row in reversed(rows)}
    missing, states = missing_rows(first)
    rest = [
        {**row, "state": DeliveryState.CONFIRMED, "next_at": None}
        for key, row in first.items()
        if states.get(key) != DeliveryState.CONFIRMED
    ]
    unconfirmed = is_one_of("state", frozenset(DeliveryState) - {DeliveryState.CONFIRMED})
    return missing + updates(Installation, rest, match=["generation", "terminal"], where=unconfirmed)


def missing_rows(wanted: Collection[tuple[int, int]]) -> tuple[list[Statement], dict[tuple[int, int], str]]:
    """Statements that insert the installations that do not exist yet, and the states of those that do.

    `wanted` holds pairs of terminal and generation. A terminal may hold the root of a generation whose rollout it was
    never part of.
    """
    states: dict[tuple[int, int], str] = {}
    numbers = {number for _terminal, number in wanted}
    for batch in in_batches(sorted({terminal for terminal, _number in wanted})):
        found = Installation.objects.filter(terminal__in=batch, generation__in=numbers)
        states.update(
            ((terminal, number), state)
            for terminal, number, state in found.values_list("terminal", "generation", "state")
        )
    missing = sorted(set(wanted).difference(states))
    rows = [{"terminal": terminal, "generation": number} for terminal, number in missing]
    return inserts(Installation, rows), states


def contact(newest: Sequence[Seen]) -> list[Statement]:
    """Statements that store when each terminal was last seen, at which address and with which firmware.

    It is what somebody said who asked in the terminal's name, and proves nothing (rule proved-fetch).
    """
    statements = []
    for named in (True, False):
        rows = [
            {"id": one.terminal, "last_contact": one.at, "last_address": one.address}
            | ({"firmware": one.firmware[:64]} if named else {})
            for one in newest
            if bool(one.firmware) is named
        ]
        statements += updates(Terminal, rows, match=["id"])
    return statements
