"""Which terminals a text stands in: anywhere in number, name or address, or in the MAC (rule search).

On SQLite an index of all sequences of three characters finds them (FTS5 with its tokenizer `trigram`, from 3.34 on), which is asked by
its own words; on PostgreSQL one that serves the conditions as they are (pg_trgm). Where the database could not make it, and for one
or two characters, all terminals are looked through.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from terminals.directory import search_index
from terminals.directory.search_index import INDEX, SHORTEST_INDEXED
from terminals.drivers.base import mac_of
from terminals.models import Terminal

AT_MOST = 1_000
"""Nobody pages through more: whoever gets so many says more of what he looks for."""


class Hits(NamedTuple):
    """`more`: there are more than these, which are the first that were added."""

    keys: list[int]
    more: bool


def search(text: str) -> Hits:
    keys = _by_table(text) if len(text) >= SHORTEST_INDEXED and _has_table() else _by_conditions(text)
    return Hits(keys[:AT_MOST], more=len(keys) > AT_MOST)


def _digits_of(text: str) -> str:
    """The part of a MAC that is looked for; "" where it is none. A MAC is stored without the separators that a person may type."""
    digits = text.upper().translate(str.maketrans("", "", ":-. "))
    return digits if mac_of(text) or (len(digits) >= 4 and set(digits) <= set("0123456789ABCDEF")) else ""


def _by_conditions(text: str) -> list[int]:
    matching = Q(number__icontains=text) | Q(name__icontains=text) | Q(address__icontains=text)
    if digits := _digits_of(text):
        matching |= Q(mac__contains=digits)
    return list(Terminal.objects.filter(matching).order_by("pk").values_list("pk", flat=True)[: AT_MOST + 1])


def _by_table(text: str) -> list[int]:
    wanted = f"{{number name address}} : {_phrase(text)}"
    if digits := _digits_of(text):
        wanted = f"({wanted}) OR (mac : {_phrase(digits)})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT rowid FROM {INDEX} WHERE {INDEX} MATCH %s ORDER BY rowid LIMIT %s",  # noqa: S608 - a constant
            [wanted, AT_MOST + 1],
        )
        return [key for (key,) in cursor.fetchall()]


def _phrase(text: str) -> str:
    """What stands in it as it is: FTS5 has words of its own."""
    return '"' + text.replace('"', '""') + '"'


_WITH_TABLE: dict[str, bool] = {}


def _has_table() -> bool:
    """SQLite has made it before this process began, or could not: asked once for each database."""
    name = str(connection.settings_dict["NAME"])
    if name not in _WITH_TABLE:
        _WITH_TABLE[name] = connection.vendor == "sqlite" and search_index.is_there(connection)
    return _WITH_TABLE[name]
