"""A text finds the same terminals whether an index finds them or all are looked through (rule search)."""

import pytest
from django.db import connection

from terminals.directory import search_index, searching
from terminals.models import Terminal, TerminalType

TELEPHONES = {
    "2001": ("Zoë Ärni, 50% desk", "00085D00002A", "10.0.0.1"),
    "2002": ("Desk of ZOE", "00085D2A0000", "10.0.0.2"),
    "2003": ('the "blue" \\ room_1', "00085DA00002", "192.0.2.7"),
    "00002A": ("", None, ""),
    "+4144555": ("room-1", "A4CF12FE00AB", "2001:db8::2a"),
}
TEXTS = {
    "00:00:2a": {"2001"},
    "00002A": {"2001", "00002A"},
    "00-08-5D-00-00-2A": {"2001"},
    "85d2": {"2002"},
    "2A0": set(),
    "00:08:5D": {"2001", "2002", "2003"},
    "desk": {"2001", "2002"},
    "50%": {"2001"},
    "m_1": {"2003"},
    'e" \\ r': {"2003"},
    "Ärn": {"2001"},
    "0.2.7": {"2003"},
    "4155": set(),
    "4455": {"+4144555"},
    "::2a": {"+4144555"},
    "200": {"2001", "2002", "2003", "+4144555"},
    "nobody": set(),
    "OR mac": set(),
}


@pytest.fixture
def telephones(db):
    type_ = TerminalType.objects.get(name="Snom")
    for number, (name, mac, address) in TELEPHONES.items():
        Terminal.objects.create(number=number, name=name, type=type_, mac=mac, address=address)


def found(text):
    return set(Terminal.objects.filter(pk__in=searching.search(text).keys).values_list("number", flat=True))


@pytest.fixture(params=["with an index", "without one"])
def way(request, telephones):
    """The indexes of the migrations, or none: SQLite without FTS5, PostgreSQL without the extension."""
    if request.param == "without one":
        search_index.remove(connection)
    searching._WITH_TABLE.clear()
    yield request.param
    searching._WITH_TABLE.clear()


def test_it_finds_the_same_with_an_index_and_without(way, subtests):
    for text, numbers in TEXTS.items():
        with subtests.test(text):
            assert found(text) == numbers
