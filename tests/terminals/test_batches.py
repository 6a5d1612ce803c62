"""Many rows by one statement."""

import ast

import pytest
from django.db import IntegrityError

from terminals.batches import execute, inserts, is_one_of, updates
from terminals.models import Installation, Terminal
from terminals.states import DeliveryState
from tests.support.sources import without_migrations


def numbered(*numbers):
    return [{"id": number, "name": f"desk {number}"} for number in numbers]


def test_however_many_rows_it_is_the_same_statement():
    (one,), (many,) = (updates(Terminal, numbered(*range(count)), match=["id"]) for count in (1, 400))

    assert one.sql == many.sql


def test_five_hundred_rows_are_one_statement():
    assert [len(updates(Terminal, numbered(*range(count)), match=["id"])) for count in (0, 500, 501)] == [0, 1, 2]


def test_only_the_rows_that_are_named_are_changed_and_one_that_is_gone_is_left_out(fleet):
    ours = [phone.terminal for phone in fleet.add(3)]
    rows = numbered(*(terminal.pk for terminal in ours[:2]), 999_999)
    execute(updates(Terminal, rows, match=["id"]))

    assert set(Terminal.objects.values_list("name", flat=True)) == {*(row["name"] for row in rows[:2]), ours[2].name}


@pytest.mark.parametrize("text", ["", "ä 日本", 'it\'s 100 % "quoted"', "\\u0041 \\", "null", "a\nb\tc"])
def test_a_text_arrives_as_it_is(fleet, text):
    (phone,) = fleet.add(1)
    execute(updates(Terminal, [{"id": phone.terminal.pk, "name": text, "notes": text}], match=["id"]))

    phone.terminal.refresh_from_db()
    assert (phone.terminal.name, phone.terminal.notes) == (text, text)


def test_what_is_null_true_or_a_moment_arrives_as_such(fleet):
    (phone,) = fleet.add(1)
    moment = fleet.world.now
    row = {"id": phone.terminal.pk, "mac": None, "enabled": False, "last_contact": moment}
    execute(updates(Terminal, [row], match=["id"]))

    phone.terminal.refresh_from_db()
    assert (phone.terminal.mac, phone.terminal.enabled, phone.terminal.last_contact) == (None, False, moment)


def test_only_rows_in_the_states_that_are_named_are_changed(fleet):
    fleet.equipped(1)
    fleet.add(1)
    fleet.beat()
    rows = [{"id": row.pk, "failure": "no_way"} for row in Installation.objects.all()]
    execute(updates(Installation, rows, match=["id"], where=is_one_of("state", [DeliveryState.CONFIRMED])))

    assert set(Installation.objects.values_list("state", "failure")) == {("confirmed", "no_way"), ("heard", "")}


def test_a_state_that_is_no_member_of_the_enumeration_cannot_be_written():
    with pytest.raises(AttributeError):
        is_one_of("state", ["asked"])


def test_no_sql_of_ours_spells_a_state_out():
    sources = {name: tree for name, tree in without_migrations().items() if name.startswith("terminals/")}
    spelt = [
        (name, node.lineno, node.value)
        for name, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if any(f"'{state}'" in node.value for state in DeliveryState)
    ]

    assert len(sources) > 50
    assert spelt == []


def test_all_of_it_happens_or_nothing(transactional_db, fleet):
    (phone,) = fleet.add(1)
    good = updates(Terminal, numbered(phone.terminal.pk), match=["id"])
    bad = updates(Terminal, [{"id": phone.terminal.pk, "number": None}], match=["id"])
    with pytest.raises(IntegrityError):
        execute(good + bad)

    assert not Terminal.objects.filter(name=f"desk {phone.terminal.pk}").exists()


def test_what_is_there_is_not_made_again(fleet):
    (phone,) = fleet.add(1)
    before = Terminal.objects.count()
    row = {"number": phone.terminal.number, "name": "again", "type": phone.terminal.type_id, "path_secret": "x" * 43}
    execute(inserts(Terminal, [row]))

    assert Terminal.objects.count() == before
    assert not Terminal.objects.filter(name="again").exists()


def test_octets_of_text_arrive_as_octets(fleet):
    (phone,) = fleet.add(1)
    execute(updates(Terminal, [{"id": phone.terminal.pk, "sip_password": b"gAAAA-_="}], match=["id"]))
    phone.terminal.refresh_from_db()
    assert bytes(phone.terminal.sip_password) == b"gAAAA-_="

    execute(updates(Terminal, [{"id": phone.terminal.pk, "sip_password": None}], match=["id"]))
    phone.terminal.refresh_from_db()
    assert phone.terminal.sip_password is None


def test_what_it_cannot_hold_is_refused_instead_of_stored_as_something_else(fleet):
    (phone,) = fleet.add(1)
    with pytest.raises(UnicodeDecodeError):
        updates(Terminal, [{"id": phone.terminal.pk, "sip_password": b"\xff"}], match=["id"])


def test_where_there_is_nothing_to_do_nothing_is_locked(django_assert_num_queries, transactional_db):
    with django_assert_num_queries(0):
        execute([])
