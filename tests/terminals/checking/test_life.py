"""The check is turned on telephone by telephone, after the evidence, and taken back where one does not come back (rule checking)."""

from dataclasses import replace

import pytest

from certificates.renewal.standing import StoreStanding
from terminals.checking import orders, rounds
from terminals.checking.models import Checking
from terminals.directory import changes
from terminals.evidence import recording
from terminals.evidence.facts import CameBack
from terminals.evidence.models import Requester
from terminals.models import Installation, Terminal, TerminalType
from terminals.web.models import BootstrapWindow
from tests.support.generations import DAY, MINUTE
from tests.terminals.checking.conftest import checks

pytestmark = pytest.mark.simulation


def test_it_is_told_at_night_reads_it_checks_and_comes_back(of_each):
    site, phone = of_each, of_each.add()
    phone.poll()
    assert not checks(phone)

    site.night()
    assert checks(phone)
    assert site.state(phone) == "read"
    site.poll_later(phone)

    assert site.state(phone) == "shown"
    assert phone.takes_calls()
    assert phone.refused == []


def test_who_restarts_for_it_is_not_told_by_day(yealinks):
    phone = yealinks.add()

    yealinks.day()
    yealinks.poll_later(phone)

    assert yealinks.notified == []
    assert not checks(phone)


def test_who_needs_no_restart_takes_it_when_it_asks_by_itself(site):
    site = site("snom")
    phone = site.add()

    site.day()
    site.poll_later(phone)

    assert (site.notified, phone.restarts, checks(phone)) == ([], 0, True)


def test_at_the_end_of_the_night_nobody_is_told_any_more(yealinks):
    """It would restart when the window is closed."""
    phone = yealinks.add()

    yealinks.beats((yealinks.world.now + DAY).replace(hour=3, minute=30))
    assert not checks(phone)
    yealinks.beats((yealinks.world.now + DAY).replace(hour=3, minute=10))
    assert checks(phone)


def test_who_was_told_and_comes_later_than_the_night_is_told_no_longer(yealinks):
    phone = yealinks.add()
    yealinks.deaf.add(phone.row.pk)

    yealinks.night()
    yealinks.poll_later(phone, after=MINUTE)

    assert not checks(phone)
    assert yealinks.state(phone) == "told"
    yealinks.deaf.clear()
    yealinks.night()
    yealinks.poll_later(phone)
    assert checks(phone)


def test_who_does_not_hear_it_three_nights_is_left_alone(yealinks):
    phone = yealinks.add()
    yealinks.deaf.add(phone.row.pk)

    for _night in range(5):
        yealinks.night()
    assert len(yealinks.notified) == 3

    orders.go_on(yealinks.type, by="anna")
    yealinks.night()
    assert len(yealinks.notified) == 4


def test_who_is_in_a_call_is_not_asked(yealinks):
    phone = yealinks.add()
    now = yealinks.world.now + DAY
    yealinks.world.at(now.replace(hour=1, minute=0))

    assert yealinks.beat(in_call=[phone.row.number]) == []
    assert [ask.terminal.number for ask in yealinks.beat()] == [phone.row.number]


def test_one_goes_first_then_some_at_a_time_until_twenty_are_back_then_the_rest(site, delivery):
    site = site("snom")
    delivery(at_once=8)
    rows = [
        Terminal.objects.create(number=str(n), type=site.type, mac=f"00041300{n:04}", address="192.0.2.1")
        for n in range(31)
    ]
    Installation.objects.bulk_create(
        Installation(
            terminal=row,
            generation=site.world.active,
            state="confirmed",
            evidence="fetched",
            proof="record",
            confirmed_at=site.world.now,
        )
        for row in rows
    )

    def next_ones():
        """How many are told; all of them take it and come back a day later."""
        site.beat()
        site.beat()
        told = list(Checking.objects.filter(state="told").values_list("pk", flat=True))
        for says in (True, None):
            now = site.world.after(DAY).now
            recording.write_facts([CameBack(key, says, True, "192.0.2.1", now) for key in told])
        return len(told)

    assert [next_ones() for _time in range(6)] == [1, 8, 8, 8, 6, 0]
    assert site.states() == {"shown": 31}


def test_one_that_does_not_come_back_is_taken_back_and_nobody_else_is_told(yealinks):
    phone, other = yealinks.add(), yealinks.add()
    yealinks.night()
    read = next(one for one in (phone, other) if yealinks.state(one) == "read")
    waiting = other if read is phone else phone

    yealinks.beats(yealinks.world.now + 2 * DAY + 46 * MINUTE)

    assert Checking.objects.get().why == "not_back"
    for _night in range(3):
        yealinks.night()
    assert yealinks.state(waiting) is None

    # Its file says so when it comes, and it stops.
    yealinks.poll_later(read)
    assert not checks(read)
    assert Checking.objects.get().off_at

    assert orders.go_on(yealinks.type, by="anna")
    yealinks.night()
    yealinks.poll_later(waiting)
    assert checks(waiting)
    assert yealinks.state(read) == "taken_back"


def test_one_that_refuses_the_server_takes_it_back_over_plain_http_in_a_bootstrap_window(yealinks):
    phone = yealinks.add()
    yealinks.night()
    phone.own.clear()
    yealinks.poll_later(phone)
    assert phone.refused
    assert not phone.takes_calls()
    yealinks.beats(yealinks.world.now + 2 * DAY + 46 * MINUTE)

    now = yealinks.world.now
    BootstrapWindow.objects.create(opened_at=now, closes_at=now + DAY, opened_by="anna", all_terminals=True)
    phone.url = phone.url.replace("https", "http")
    yealinks.poll_later(phone)

    assert not checks(phone)
    assert phone.takes_calls()


def test_over_plain_http_nobody_is_told_to_check(yealinks):
    phone = yealinks.add()
    now = yealinks.world.now
    BootstrapWindow.objects.create(opened_at=now, closes_at=now + 3 * DAY, opened_by="anna", all_terminals=True)
    phone.url = phone.url.replace("https", "http")

    yealinks.night()
    yealinks.poll_later(phone, after=MINUTE)

    assert not checks(phone)
    assert yealinks.state(phone) == "told"


def test_who_asks_again_at_once_has_not_come_back(site):
    site = site("snom")
    phone = site.add()
    site.beat()
    phone.poll()
    site.poll_later(phone, after=MINUTE)
    assert site.state(phone) == "read"

    site.poll_later(phone, after=2 * MINUTE)

    assert site.state(phone) == "shown"


# -- who could lie -----------------------------------------------------------------------------------------------------


def test_a_stranger_who_knows_the_mac_gets_no_check_and_shows_nothing(yealinks):
    phone = yealinks.add()
    yealinks.night()
    assert yealinks.state(phone) == "read"

    phone.address = "198.51.100.9"
    body = yealinks.listeners.get(f"/{phone.mac}.cfg", phone.user_agent, phone.address).body
    yealinks.poll_later(phone, after=DAY)

    assert b"trust_certificates" not in body
    assert yealinks.state(phone) == "read"


def test_only_who_is_shown_to_have_the_root_is_told(yealinks):
    """A person's word shows nothing, nor does a fetch by nobody knows whom."""
    unproved, by_hand = yealinks.add(), yealinks.add()
    Installation.objects.all().delete()
    Requester.objects.all().delete()
    yealinks.beat()
    recording.confirmed_by_person([by_hand.row.pk], [1], by="anna", at=yealinks.world.now)
    unproved.address = "198.51.100.9"
    unproved.digests.clear()
    unproved.loaded.clear()
    unproved.poll()

    yealinks.night()

    assert Checking.objects.count() == 0


def test_its_secret_path_shows_that_it_is_the_telephone_wherever_it_asks(yealinks):
    phone = yealinks.add()
    Terminal.objects.filter(pk=phone.row.pk).update(address="")
    phone.address = "198.51.100.9"
    phone.url += f"{phone.row.path_secret}/"
    yealinks.poll_later(phone)
    Installation.objects.update(proof="path")

    yealinks.night()
    yealinks.poll_later(phone)

    assert yealinks.state(phone) == "shown"


# -- what a person changes ---------------------------------------------------------------------------------------------


def test_where_the_switch_is_turned_off_the_telephones_stop_checking_and_nothing_is_left(of_each):
    site, phone = of_each, of_each.add()
    site.brought_back(phone)

    TerminalType.objects.update(turns_checking_on=False)
    site.night()
    site.poll_later(phone)
    assert not checks(phone)
    site.beat()

    assert Checking.objects.count() == 0


def test_it_is_turned_off_at_night_where_that_restarts_it(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    restarts = phone.restarts

    TerminalType.objects.update(turns_checking_on=False)
    yealinks.day()
    yealinks.poll_later(phone)

    assert checks(phone)
    assert phone.restarts == restarts


def test_one_that_hears_nothing_three_nights_stops_whenever_it_comes(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    TerminalType.objects.update(turns_checking_on=False)
    yealinks.deaf.add(phone.row.pk)
    for _night in range(3):
        yealinks.night()
        yealinks.poll_later(phone)
        assert checks(phone)

    yealinks.night()
    yealinks.poll_later(phone)

    assert not checks(phone)


def test_switched_off_and_on_again_it_is_told_anew(site):
    site = site("snom")
    phone = site.add()
    site.brought_back(phone)
    TerminalType.objects.update(turns_checking_on=False)
    site.beat()
    TerminalType.objects.update(turns_checking_on=True)
    site.beat()

    assert site.state(phone) == "told"
    site.poll_later(phone)
    site.poll_later(phone)
    assert site.state(phone) == "shown"


def test_a_person_takes_it_back_from_one_and_nobody_else_is_told_until_a_person_goes_on(yealinks):
    phone, other = yealinks.add(), yealinks.add()
    yealinks.night()
    read, waiting = (phone, other) if yealinks.state(phone) == "read" else (other, phone)

    assert orders.take_back(read.row.pk, by="anna", at=yealinks.world.now)
    assert not orders.take_back(waiting.row.pk, by="anna", at=yealinks.world.now)
    yealinks.poll_later(read)
    yealinks.night()

    assert not checks(read)
    assert yealinks.state(waiting) is None
    assert orders.tell_again(read.row.pk)
    yealinks.night()
    assert sorted(filter(None, (yealinks.state(phone), yealinks.state(other)))) == ["read"]


def test_where_the_check_is_of_calls_alone_a_person_says_that_the_first_one_can_call(site):
    site = site("grandstream")
    phone, other = site.add(), site.add()
    site.night()
    site.poll_later(phone, other)
    site.poll_later(phone, other)
    site.night()
    assert site.states() == {"shown": 1}

    assert orders.go_on(site.type, by="anna")
    site.night()

    assert site.states() == {"read": 1, "shown": 1}
    assert phone.takes_calls()
    assert other.takes_calls()


def test_another_telephone_is_told_nothing_before_its_turn(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)

    changes.forget([phone.row.pk])

    assert yealinks.state(phone) is None


def test_a_type_of_another_method_begins_anew(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)

    TerminalType.objects.filter(pk=yealinks.type.pk).update(method="snom", trust_format="der")
    body = yealinks.listeners.get(f"/{phone.row.mac}.xml", "", phone.address).body
    yealinks.beat()

    assert b"tls_server_authentication" not in body
    assert yealinks.state(phone) != "shown"


# -- the worker and the clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [30 * DAY, -30 * DAY])
def test_a_gap_between_two_rounds_or_a_clock_that_jumps_takes_nothing_back(yealinks, ahead):
    phone = yealinks.add()
    yealinks.night()
    assert yealinks.state(phone) == "read"

    yealinks.world.after(ahead)
    yealinks.beat()
    assert yealinks.state(phone) == "read"

    yealinks.beats(yealinks.world.now + 2 * DAY + 46 * MINUTE)
    assert yealinks.state(phone) == "taken_back"


def test_while_nothing_is_handed_out_nobody_is_taken_back(yealinks):
    """The listeners answer 503, so nobody could come back (rule what-is-served-stays)."""
    phone = yealinks.add()
    yealinks.night()
    due = Checking.objects.get().due_at

    resting = replace(yealinks.world.situation, standing=StoreStanding.UNREADABLE)
    assert resting.standing.rests
    later = replace(resting, clock=yealinks.world.after(10 * DAY).clock())
    assert rounds.reconcile(later, last=resting.clock.machine) == []

    assert yealinks.state(phone) == "read"
    assert Checking.objects.get().due_at == due + 10 * DAY


def test_of_who_came_back_nothing_more_is_written_down(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)

    answer = yealinks.listeners.get(f"/{phone.mac}.cfg", phone.user_agent, phone.address)

    assert not any(isinstance(fact, CameBack) for fact in answer.evidence)


def test_what_is_written_down_twice_changes_nothing_more(yealinks):
    yealinks.listeners.again = True
    phone = yealinks.add()

    yealinks.brought_back(phone)


def test_who_has_read_it_though_nobody_tells_it_any_more_checks_and_is_waited_for(site):
    site = site("snom")
    phone = site.add()
    site.beat()
    snapshot = site.listeners.snapshots.current
    site.listeners.look()
    assert site.listeners.snapshots.current.checking != snapshot.checking
    site.listeners.look = lambda: None
    Checking.objects.all().delete()

    site.poll_later(phone)

    assert checks(phone)
    assert site.state(phone) == "read"
