"""What the heartbeat tells of the check, and what it costs (rule checking)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from certificates.renewal.handover import known_terminals
from terminals.checking import orders, rounds
from terminals.checking.models import Checking
from terminals.checking.warnings import checking_warnings
from terminals.models import TerminalType
from tests.support.generations import DAY, MINUTE

pytestmark = pytest.mark.simulation


def told(site):
    types = rounds.reconcile(site.world.situation, last=site.world.now)
    return [(one.kind.id, one.params["count"], one.params["names"]) for one in checking_warnings(types)]


def test_one_that_is_not_back_is_a_message_until_a_person_goes_on(yealinks):
    phone = yealinks.add()
    yealinks.night()
    assert told(yealinks) == []

    yealinks.beats(yealinks.world.now + 2 * DAY + 46 * MINUTE)
    assert told(yealinks) == [("checking_not_back", 1, phone.row.number)]

    orders.go_on(yealinks.type, by="anna")
    assert told(yealinks) == []


def test_where_only_a_person_can_say_that_it_can_call_that_is_a_message(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    assert told(site) == [("checking_waits", 1, phone.row.number)]

    orders.go_on(site.type, by="anna")
    assert told(site) == []


def test_what_a_person_takes_back_is_no_message(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)

    orders.take_back(phone.row.pk, by="anna", at=yealinks.world.now)

    assert told(yealinks) == []


def queries_of(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured.captured_queries]


def test_where_nobody_is_told_a_round_asks_one_question_more_and_the_listeners_none(yealinks):
    yealinks.add()
    TerminalType.objects.update(turns_checking_on=False)
    situation = yealinks.world.situation

    assert len(queries_of(lambda: rounds.reconcile(situation, last=situation.clock.machine))) == 1
    yealinks.listeners.look()
    assert not any('"terminals_checking"' in one for one in queries_of(yealinks.listeners.look))


def test_the_listeners_read_the_rows_only_when_one_has_changed(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    yealinks.listeners.look()
    before = yealinks.listeners.snapshots.current.checking

    yealinks.listeners.look()
    assert yealinks.listeners.snapshots.current.checking is before

    orders.take_back(phone.row.pk, by="anna", at=yealinks.world.now)
    yealinks.listeners.look()
    assert yealinks.listeners.snapshots.current.checking is not before


def test_a_row_that_takes_the_place_of_one_that_is_gone_is_seen(yealinks):
    phone = yealinks.add()
    yealinks.night()
    yealinks.listeners.look()
    before = yealinks.listeners.snapshots.current.checking
    Checking.objects.all().delete()
    yealinks.world.after(DAY)
    yealinks.night()

    yealinks.listeners.look()

    assert yealinks.state(phone) is not None
    assert yealinks.listeners.snapshots.current.checking != before


def test_a_round_with_nothing_due_writes_nothing_and_locks_nothing(yealinks):
    yealinks.brought_back(yealinks.add())
    yealinks.add()
    situation = yealinks.world.situation

    queries = queries_of(lambda: rounds.reconcile(situation, last=situation.clock.machine))

    assert all(query.startswith("SELECT") for query in queries), queries


@pytest.mark.parametrize("count", [3, 40])
def test_a_round_costs_the_same_whatever_the_number_of_telephones(yealinks, count):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    for n in range(count):
        copy = type(phone.row)(number=f"9{n}", type=yealinks.type, mac=f"00156511{n:04}", address="192.0.2.9")
        copy.save()
        Checking.objects.create(
            terminal=copy, method="yealink", state="shown", asked_at=yealinks.world.now, shown_at=yealinks.world.now
        )
    situation = yealinks.world.situation

    assert len(queries_of(lambda: rounds.reconcile(situation, last=situation.clock.machine))) < 20


def test_after_a_restore_all_begin_anew_and_what_was_taken_back_stays_so(yealinks):
    phone, other = yealinks.add(), yealinks.add()
    yealinks.brought_back(next(iter(yealinks.phones.values())) if yealinks.state(phone) else phone)
    orders.take_back(Checking.objects.get().pk, by="anna", at=yealinks.world.now)
    Checking.objects.create(
        terminal=other.row if Checking.objects.get().pk == phone.row.pk else phone.row,
        method="yealink",
        state="shown",
        asked_at=yealinks.world.now,
        shown_at=yealinks.world.now,
    )

    # As whoever adopts what an older copy of the database does not know.
    known_terminals().begin_anew()

    assert yealinks.states() == {"taken_back": 1}
