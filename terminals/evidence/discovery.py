"""Phones that ask for their configuration and are not in the list: who of them is remembered (rule discovered).

A MAC costs nothing to make up, so whoever asks with many of them must not fill the list, nor drive others out of it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from django.db import transaction

from pbxcerts.system.network.one_address import source_of
from terminals.batches import execute, in_batches, updates
from terminals.drivers.registry import KNOWN_OUIS
from terminals.evidence.facts import UnknownPhone
from terminals.evidence.models import Discovered

AT_MOST = 1_000
OF_ONE_ADDRESS = 100
NEW_AT_ONCE = 20


class Asked(Protocol):
    """A MAC, the address that asked with it (or what counts as one), and when it did last."""

    @property
    def mac(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class _Remembered(NamedTuple):
    pk: int
    mac: str
    address: str
    at: datetime


One = TypeVar("One", bound=Asked)


def chosen(asked: Iterable[One], at_most: int) -> list[One]:
    """Who of these is remembered where not all can be, the first to stay first.

    MACs of known makers go before others, and then the addresses take turns, each with whoever asked there last: an address
    loses what it has more of than others, and of one address the oldest go. None has more than `OF_ONE_ADDRESS`.
    """
    newest_first = sorted(asked, key=lambda one: one.at, reverse=True)
    turns: Counter[str] = Counter()
    waiting = []
    for one in sorted(newest_first, key=_is_of_unknown_maker):
        source = source_of(one.address)
        if turns[source] < OF_ONE_ADDRESS:
            waiting.append((_is_of_unknown_maker(one), turns[source], one))
            turns[source] += 1
    # Stable: within one turn the newest stay first.
    waiting.sort(key=lambda place: place[:2])
    return [one for _is_unknown, _turn, one in waiting[:at_most]]


def _is_of_unknown_maker(one: Asked) -> bool:
    return one.mac[:6] not in KNOWN_OUIS


@transaction.atomic
def discovered(unknown: Sequence[UnknownPhone]) -> None:
    """Remember phones that are not in the list. Another address that asks with the same MAC is remembered beside the first."""
    asked = {(one.mac, source_of(one.address)): one for one in unknown}
    known = _known({mac for mac, _source in asked})
    rows = [
        {
            "mac": mac,
            "source": source,
            "address": one.address[:64],
            "last_seen": one.at,
            # What was said once stays where the next request says nothing.
            "model": one.model[:32] or known[mac, source].model,
            "firmware": one.firmware[:64] or known[mac, source].firmware,
        }
        for (mac, source), one in asked.items()
        if (mac, source) in known
    ]
    if rows:
        execute(updates(Discovered, rows, match=["mac", "source"], also={"requests": "t.requests + 1"}))
    new = chosen([one for key, one in asked.items() if key not in known], NEW_AT_ONCE)
    if not new:
        return
    Discovered.objects.bulk_create(
        [
            Discovered(
                mac=one.mac,
                model=one.model[:32],
                firmware=one.firmware[:64],
                source=source_of(one.address),
                address=one.address[:64],
                first_seen=one.at,
                last_seen=one.at,
            )
            for one in new
        ],
        ignore_conflicts=True,
    )
    _make_room()


def _known(macs: Iterable[str]) -> dict[tuple[str, str], Discovered]:
    """The rows with these MACs, by MAC and by what counts as one address."""
    found = {}
    for some in in_batches(sorted(macs)):
        for row in Discovered.objects.filter(mac__in=some):
            found[row.mac, row.source] = row
    return found


def _make_room() -> None:
    """Forget those that are too many."""
    rows = [_Remembered(*row) for row in Discovered.objects.values_list("pk", "mac", "source", "last_seen")]
    stay = {one.pk for one in chosen(rows, AT_MOST)}
    for some in in_batches([one.pk for one in rows if one.pk not in stay]):
        Discovered.objects.filter(pk__in=some).delete()
