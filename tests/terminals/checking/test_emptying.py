"""The list of a Yealink that is full is emptied: only where it is shown that it checks nothing meanwhile (rule emptied-list)."""

import pytest

from terminals.checking import orders, rounds
from terminals.checking.models import Checking, RenamedFiles
from terminals.checking.older_copy import begin_anew
from terminals.checking.warnings import checking_warnings
from terminals.directory import changes
from terminals.evidence import recording
from terminals.evidence.facts import CameBack
from terminals.evidence.models import Requester
from terminals.models import Installation, Terminal, TerminalType
from terminals.web.models import BootstrapWindow
from tests.support.generations import DAY, HOUR, MINUTE
from tests.support.makers.at_handlers import at_the_handlers
from tests.support.makers.yealink import Yealink
from tests.terminals.checking.conftest import OLD, a_day_with, checking, checks, filled, full

pytestmark = pytest.mark.simulation


DELETES = b"trusted_certificates.delete = http://localhost/all"
NAMES = b"trusted_certificates.url"


@pytest.fixture
def site(emptying):
    return emptying


def file_of(site, phone, address=None, scheme="https"):
    return site.listeners.get(f"/{phone.mac}.cfg", phone.user_agent, address or phone.address, scheme).body


def told(site):
    types = rounds.reconcile(site.world.situation, last=site.world.now)
    return [(one.kind.id, one.params["count"], one.params["names"]) for one in checking_warnings(types)]


@pytest.mark.parametrize("habit", [{}, {"fetches_anew": True}, {"deletes_last": False}])
def test_one_without_room_stops_deletes_takes_the_served_one_again_and_then_checks_again(site, habit):
    phone = checking(site, **habit)

    site.night()
    assert site.state(phone) == "off"
    assert not checks(phone)
    assert len(phone.own) == 9
    a_day_with(site, phone)
    assert site.state(phone) == "emptied"
    assert phone.own == []
    a_day_with(site, phone)
    assert phone.own == [site.world.active.root]
    site.beat()
    assert site.state(phone) is None
    site.brought_back(phone)

    assert checks(phone)
    assert phone.takes_calls()
    assert phone.refused == []
    assert Requester.objects.get().holds == [1]
    assert phone.restarts == 3, "by turning it on, off and on again, and for nothing else"


def test_one_that_was_never_told_to_check_is_told_to_stop_all_the_same(site):
    """What it does by its maker's setting or the site's nobody knows."""
    phone = full(site)
    phone.settings["static.security.trust_certificates"] = "1"

    site.night()

    assert site.state(phone) == "off"
    assert not checks(phone)


def test_with_room_for_two_more_nothing_is_emptied(site):
    phone = filled(site, site.add(), OLD[:7])

    site.brought_back(phone)
    site.night()
    a_day_with(site, phone)

    assert site.state(phone) == "shown"
    assert len(phone.own) == 8


def test_who_has_no_room_is_not_told_to_check_before_its_list_is_emptied(site):
    phone = full(site)
    site.deaf.add(phone.row.pk)

    for _night in range(2):
        site.night()
        phone.poll()

    assert not checks(phone)
    assert Checking.objects.get().why == "room"


def test_one_that_was_told_to_check_in_vain_and_filled_up_meanwhile_is_emptied_too(site):
    phone = site.add()
    site.deaf.add(phone.row.pk)
    site.night()
    assert site.state(phone) == "told"
    filled(site, phone)
    site.deaf.clear()

    site.night()

    assert site.state(phone) == "off"


@pytest.mark.parametrize("without", ["empties_list", "turns_checking_on"])
def test_without_the_switch_or_where_the_check_is_the_sites_nothing_is_emptied(site, without):
    phone = full(site)
    TerminalType.objects.update(**{without: False})

    site.night()
    a_day_with(site, phone)
    a_day_with(site, phone)

    assert len(phone.own) == 9


# -- only where it is shown that it checks nothing ---------------------------------------------------------------------


def test_one_that_has_not_taken_that_it_stops_is_told_to_delete_nothing(site):
    phone = checking(site)
    site.deaf.add(phone.row.pk)

    site.night()
    assert DELETES not in file_of(site, phone, "198.51.100.9")
    for _time in range(3):
        a_day_with(site, phone)

    assert Checking.objects.get().why == "room"
    assert len(phone.own) == 9


def test_one_that_took_it_and_has_not_come_back_is_told_to_delete_nothing(site):
    """What comes so soon may be the end of the same time."""
    phone = checking(site)
    site.night()

    site.world.after(MINUTE)
    assert site.state(phone) == "off"
    assert DELETES not in file_of(site, phone)
    site.world.after(MINUTE)
    assert DELETES in file_of(site, phone)
    assert NAMES not in file_of(site, phone), "in which order a file with both is carried out is not documented"


def test_a_stranger_who_knows_the_mac_is_told_to_delete_nothing_and_shows_nothing(site):
    phone = checking(site)
    stranger = "198.51.100.9"
    site.night()
    Checking.objects.update(state="taken_back", why="room", off_at=None, until=site.world.now + HOUR, due_at=None)
    file_of(site, phone, stranger)
    assert site.state(phone) == "taken_back"

    phone.digests.clear()
    site.poll_later(phone, after=MINUTE)
    assert site.state(phone) == "off"
    site.world.after(DAY)
    assert DELETES not in file_of(site, phone, stranger)
    assert site.state(phone) == "off"


def test_a_stranger_who_takes_the_served_one_does_not_show_that_the_telephone_has_it_again(site):
    phone = checking(site)
    site.night()
    a_day_with(site, phone)
    assert site.state(phone) == "emptied"

    stranger = at_the_handlers(Yealink, site.listeners, phone.mac, address="198.51.100.9")
    site.poll_later(stranger)
    site.beat()
    assert stranger.own == [site.world.active.root]

    assert site.state(phone) == "emptied"
    assert Checking.objects.get().shown_at is None


def test_over_plain_http_it_is_told_to_delete_nothing(site):
    phone = checking(site)
    site.night()
    now = site.world.now
    BootstrapWindow.objects.create(opened_at=now, closes_at=now + DAY, opened_by="anna", all_terminals=True)
    site.world.after(HOUR)

    assert DELETES not in file_of(site, phone, scheme="http")
    assert DELETES in file_of(site, phone)


def test_what_was_seen_before_it_was_told_does_not_show_that_it_stopped(site):
    phone = checking(site)
    site.deaf.add(phone.row.pk)
    before = site.world.now
    site.night()

    recording.write_facts([CameBack(phone.row.pk, False, True, phone.address, before)])

    assert site.state(phone) == "taken_back"


def test_within_two_minutes_after_it_deleted_nothing_is_named(site):
    """It would be part of the same time, and be deleted with the others."""
    phone = checking(site)
    site.night()
    site.world.after(HOUR)
    assert DELETES in file_of(site, phone)

    site.world.after(MINUTE)
    body = file_of(site, phone)
    assert DELETES not in body
    assert NAMES not in body
    site.world.after(MINUTE)
    assert NAMES in file_of(site, phone)


# -- handovers ---------------------------------------------------------------------------------------------------------


def test_while_a_handover_is_under_way_nobody_is_told_to_stop_and_who_was_told_is_no_longer(site):
    phone = checking(site)
    site.deaf.add(phone.row.pk)
    site.night()
    Checking.objects.update(until=site.world.now + HOUR)
    site.world.after(MINUTE).generate()
    site.beat()
    site.poll_later(phone, after=MINUTE)

    assert checks(phone)
    assert Checking.objects.get().attempts == 0
    assert len(phone.own) == 10


def test_a_handover_that_begins_in_the_middle_waits_and_costs_no_call(site):
    phone = checking(site)
    site.night()
    site.world.after(HOUR).generate()
    site.beat()
    a_day_with(site, phone)
    assert phone.own == []
    assert not Installation.objects.filter(terminal=phone.row, generation=2).trusted().exists()

    for _time in range(3):
        a_day_with(site, phone)
        site.beat()

    assert len(phone.own) == 2
    assert Installation.objects.filter(terminal=phone.row, generation=2).trusted().exists()
    assert site.world.active.number == 2, "it has waited for that"
    site.brought_back(phone)
    assert checks(phone)
    assert phone.takes_calls()


def renewed(site, *phones):
    """A year later, by the schedule: the next pair is made, all have it, and it is served."""
    number = site.world.active.number + 1
    site.beats(site.world.active.plan.end - 20 * DAY)
    for _day in range(5):
        a_day_with(site, *phones)
    for phone in phones:
        assert Installation.objects.filter(terminal=phone.row, generation=number).trusted().exists()
    assert site.world.active.number == number


def test_while_a_roll_back_is_possible_nothing_is_emptied(site):
    """The root that it goes to would be deleted, and is not handed out any more."""
    phone = full(site)
    site.deaf.add(phone.row.pk)
    renewed(site, phone)
    Checking.objects.all().delete()
    site.deaf.clear()
    site.night()
    assert site.state(phone) is None

    site.beats(site.world.generation(1).plan.end)
    site.night()

    assert site.state(phone) == "off"


def test_one_that_is_overtaken_by_a_switch_checks_nothing_while_a_roll_back_would_go_to_what_it_lost(site):
    phone = checking(site)
    site.night()
    a_day_with(site, phone)
    assert phone.own == []
    site.world.after(HOUR).generate()
    site.world.activate()
    for _time in range(3):
        a_day_with(site, phone)
    site.night()
    assert phone.own == [site.world.active.root]
    assert site.state(phone) == "emptied"

    site.world.roll_back()
    assert site.world.active.number == 1
    for _time in range(2):
        a_day_with(site, phone)


# -- one first ---------------------------------------------------------------------------------------------------------


def test_the_first_list_is_seen_by_a_person_before_another_one_is_emptied_and_before_it_is_told_the_next(site):
    TerminalType.objects.update(emptying_seen=False)
    phone, other = full(site), full(site)
    site.night()
    first = phone if site.state(phone) else other
    assert site.states() == {"off": 1}
    for _time in range(2):
        a_day_with(site, phone, other)
    site.beat()
    site.night()
    site.beats(site.world.now + 3 * DAY)
    assert told(site) == [("emptying_waits", 1, first.row.number)], "and it is not missed"
    assert site.states() == {"emptied": 1}

    site.world.after(HOUR).generate()
    site.beat()
    for _time in range(2):
        a_day_with(site, first)
    assert first.own == [site.world.active.root]
    assert orders.list_is_seen(site.type)
    assert not orders.list_is_seen(site.type)
    site.beat()
    a_day_with(site, first)
    assert len(first.own) == 2


def test_where_the_telephone_deletes_nothing_it_is_not_told_the_next_before_a_person_has_looked(site):
    """Nothing that it does shows that: its list stays full, and what comes would be refused."""
    TerminalType.objects.update(emptying_seen=False)
    phone = checking(site)
    site.night()
    for _time in range(2):
        own = list(phone.own)
        a_day_with(site, phone)
        phone.own = own
    site.world.after(HOUR).generate()
    site.beat()
    for _time in range(3):
        a_day_with(site, phone)
        site.beat()

    assert not Installation.objects.filter(terminal=phone.row, generation=2).trusted().exists()


def test_who_does_not_come_back_stops_its_type_and_goes_on_where_it_was_when_it_comes(site):
    phone, other = full(site), full(site)
    other.row.__class__.objects.filter(pk=other.row.pk).update(enabled=False)
    site.night()
    site.beats(site.world.now + 2 * DAY + 46 * MINUTE)
    assert told(site) == [("emptying_not_back", 1, phone.row.number)]
    Terminal.objects.update(enabled=True)
    site.night()
    assert site.state(other) is None

    orders.go_on(site.type, by="anna")
    assert told(site) == []
    site.night()
    assert site.state(other) == "off"

    a_day_with(site, phone)
    assert site.state(phone) == "emptied"
    assert Checking.objects.get(pk=phone.row.pk).why == ""


# -- what may come between ----------------------------------------------------------------------------------------------


def test_what_is_written_down_twice_changes_nothing_more(site):
    site.listeners.again = True
    phone = checking(site)
    site.night()
    a_day_with(site, phone)
    at = RenamedFiles.objects.get().at
    a_day_with(site, phone)
    site.beat()

    assert RenamedFiles.objects.get().at == at
    assert site.state(phone) is None

    recording.write_facts([CameBack(phone.row.pk, False, True, phone.address, at, empties=True)])
    assert site.state(phone) is None
    assert Requester.objects.get().holds == [1]


def test_one_whose_deletion_was_seen_and_not_written_down_deletes_once_more(site):
    phone = checking(site)
    site.night()
    before = Checking.objects.get()
    a_day_with(site, phone)
    RenamedFiles.objects.all().delete()
    before.save()

    for _time in range(2):
        a_day_with(site, phone)
    site.beat()

    assert phone.own == [site.world.active.root]
    assert site.state(phone) is None


def test_one_that_gets_another_address_in_the_middle_has_forgotten_the_old_ones_too(site):
    phone = checking(site)
    site.night()
    a_day_with(site, phone)
    Terminal.objects.update(address="192.0.2.77")
    phone.address = "192.0.2.77"
    a_day_with(site, phone)
    site.beat()

    assert site.state(phone) is None
    assert Requester.objects.get(source="192.0.2.77").holds == [1]


def test_after_a_restore_it_begins_with_the_first_step(site):
    phone = checking(site)
    site.night()
    assert site.state(phone) == "off"

    begin_anew()
    assert DELETES not in file_of(site, phone)
    site.night()

    assert site.state(phone) == "off"


def test_where_lists_are_emptied_no_longer_who_has_stopped_is_told_to_check_in_its_turn(site):
    phone = checking(site)
    site.night()
    TerminalType.objects.update(empties_list=False)
    site.beat()
    assert DELETES not in file_of(site, phone)

    site.brought_back(phone)

    assert checks(phone)
    assert len(phone.own) == 9


def test_where_lists_are_emptied_no_longer_who_has_not_taken_it_checks_as_before(site):
    phone = checking(site)
    site.deaf.add(phone.row.pk)
    site.night()
    TerminalType.objects.update(empties_list=False)
    site.beat()

    assert site.state(phone) == "shown"
    assert checks(phone)


def test_another_telephone_begins_with_the_names_that_it_knows_not(site):
    phone = checking(site)
    site.night()
    a_day_with(site, phone)
    assert RenamedFiles.objects.exists()

    changes.forget([phone.row.pk])

    assert not RenamedFiles.objects.exists()
    assert site.state(phone) is None


@pytest.mark.long
def test_through_thirteen_generations_no_call_is_lost_and_nobody_lends_a_hand(site):
    phone = site.add()
    site.brought_back(phone)
    most = 0
    for number in range(2, 14):
        renewed(site, phone)
        most = max(most, len(phone.own))
        site.beats(site.world.generation(number - 1).plan.end)
        for _night in range(5):
            site.night()
            a_day_with(site, phone)
        assert site.world.active.root in phone.own
        assert checks(phone)

    assert phone.refused == []
    assert most == 9
    assert RenamedFiles.objects.exists()
