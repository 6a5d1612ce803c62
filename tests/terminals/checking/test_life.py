"""The check is turned on telephone by telephone, after the evidence, and taken back where one does not come back (rule checking)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models import Q

from certificates.renewal.standing import StoreStanding
from terminals.checking import orders, rounds
from terminals.checking.models import Checking
from terminals.checking.older_copy import begin_anew
from terminals.directory import changes
from terminals.directory.listing import TerminalListing
from terminals.drivers.base import Reaction
from terminals.evidence import fetches, recording
from terminals.evidence.facts import CameBack
from terminals.models import BootstrapWindow, Installation, Requester, Terminal, TerminalType
from terminals.rollout import claims
from terminals.rollout.claims import AskResult
from tests.support.generations import DAY, HOUR, MINUTE
from tests.terminals.checking.conftest import checks, the_form

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


# -- handovers ---------------------------------------------------------------------------------------------------------


def test_while_a_handover_is_under_way_nobody_is_told_and_who_was_told_is_no_longer(site):
    site = site("snom")
    phone, later = site.add(), site.add()
    site.beat()
    told = next(one for one in (phone, later) if site.state(one) == "told")

    site.world.after(DAY).generate()
    site.beat()
    site.poll_later(phone, later)

    assert site.state(told) == "told"
    assert not checks(told)
    assert Checking.objects.count() == 1


def test_one_that_checks_goes_through_a_handover_without_losing_a_call(of_each):
    site, phone = of_each, of_each.add()
    site.night()
    assert checks(phone)
    assert site.state(phone) == "read"

    site.world.after(HOUR).generate()
    site.beat()
    site.poll_later(phone)
    site.poll_later(phone)
    if site.type.driver.capabilities.counts_from_restart:
        assert site.asked_for(2) == [phone]
    assert Installation.objects.of(2).get().confirmed_at
    site.world.activate()

    assert site.world.active.number == 2
    assert checks(phone)
    assert phone.takes_calls()
    assert site.state(phone) == "shown"
    site.poll_later(phone)
    assert phone.refused == []


def test_who_checks_and_takes_the_next_one_by_itself_is_restarted_for_it_where_it_counts_from_then_on(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    row = Installation.objects.of(2).get()
    assert (row.state, row.confirmed_at, row.evidence, row.proof) == ("waiting", None, "fetched", "record")
    assert site.world.active.number == 1
    [said] = TerminalListing(site.world.situation, (site.type,)).lines([phone.row])
    assert "zählt ab seinem nächsten Neustart" in said.why_missing
    site.deaf.add(phone.row.pk)
    assert site.asked_for(2) == []
    site.poll_later(phone)
    assert Installation.objects.of(2).get().confirmed_at is None
    site.deaf.clear()
    Installation.objects.of(2).update(next_at=None)

    assert site.asked_for(2) == [phone]

    assert Installation.objects.of(2).get().state == "confirmed"
    site.world.activate()
    assert checks(phone)
    assert phone.takes_calls()


def test_who_checks_and_is_known_by_an_address_that_is_accepted_later_is_restarted_for_it_too(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    site.world.after(HOUR).generate()
    site.beat()
    phone.address = "198.51.100.7"
    site.poll_later(phone)
    assert Installation.objects.of(2).get().state == "unproved"

    fetches.accept(phone.row.pk, "198.51.100.7", by="anna")

    row = Installation.objects.of(2).get()
    assert (row.state, row.confirmed_at) == ("unproved", None)
    site.poll_later(phone)
    row = Installation.objects.of(2).get()
    assert (row.state, row.confirmed_at, row.evidence) == ("waiting", None, "fetched")
    assert site.asked_for(2) == [phone]
    assert Installation.objects.of(2).get().state == "confirmed"


def test_who_checks_nothing_need_not_restart_for_it(site):
    site = site("grandstream")
    phone = site.add()
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    assert Installation.objects.of(2).get().state == "confirmed"


def test_who_may_have_been_told_before_an_older_copy_came_back_restarts_for_it(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    begin_anew()
    assert checks(phone)
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    assert Installation.objects.of(2).get().state == "waiting"
    assert site.asked_for(2) == [phone]
    assert Installation.objects.of(2).get().state == "confirmed"
    site.world.activate()
    assert phone.takes_calls()


def test_one_that_was_reset_is_told_to_check_only_with_the_root_that_is_served(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    yealinks.world.after(HOUR).generate()
    yealinks.beat()
    yealinks.poll_later(phone)
    assert len(phone.own) == 2

    phone.forget()
    phone.settings["static.security.trust_certificates"] = "0"
    for _poll in range(3):
        yealinks.poll_later(phone)
        assert phone.takes_calls()


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


# -- a restart, or only the time at which it asks by itself ----------------------------------------------------------------


@pytest.fixture
def grandstreams(site):
    """One that checks has taken the next pair by itself, a day ago."""
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    site.world.after(HOUR).generate()
    site.beat()
    site.poll_later(phone)
    site.world.after(DAY - MINUTE)
    site.phone, phone.restarts = phone, 0
    return site


def of_the_next():
    return Installation.objects.of(2).get()


def test_what_it_asks_by_itself_before_a_restart_that_a_call_puts_off_is_not_taken_for_it(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    phone.in_call = True
    assert site.asked_for(2) == [phone]

    site.poll_later(phone, after=20 * MINUTE)

    assert (phone.restarts, of_the_next().state, of_the_next().confirmed_at) == (0, "waiting", None)
    site.world.after(5 * MINUTE)
    assert site.asked_for(2) == [phone]
    assert of_the_next().confirmed_at is None
    site.world.after(10 * MINUTE)
    phone.hang_up()
    assert (phone.restarts, of_the_next().state) == (1, "confirmed")
    site.world.activate()
    assert phone.takes_calls()


def test_who_asks_by_itself_each_hour_during_its_call_has_not_restarted_however_long_that_lasts(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    phone.in_call = True
    for _hour in range(4):
        site.asked_for(2)
        site.poll_later(phone, after=58 * MINUTE)

    assert (phone.restarts, of_the_next().confirmed_at) == (0, None)


def test_it_restarts_twice_and_no_more(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    assert site.asked_for(2) == [phone]
    assert (phone.restarts, of_the_next().state) == (1, "waiting")
    assert site.asked_for(2) == []
    site.world.after(4 * MINUTE)

    assert site.asked_for(2) == [phone]

    assert (phone.restarts, of_the_next().state) == (2, "confirmed")
    site.world.after(DAY)
    assert site.asked_for(2) == []


def test_one_that_asked_by_itself_just_before_restarts_once(grandstreams):
    grandstreams.poll_later(grandstreams.phone, after=MINUTE)
    assert grandstreams.asked_for(2) == [grandstreams.phone]
    assert (grandstreams.phone.restarts, of_the_next().state) == (1, "confirmed")


def test_one_that_comes_when_its_call_is_over_at_last_is_asked_once_more(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    phone.in_call = True
    site.asked_for(2)
    now = site.world.after(HOUR).now
    claims.give_up(2, within=HOUR, now=now, machine=now)
    assert of_the_next().state == "failed"

    phone.hang_up()

    row = of_the_next()
    assert (row.state, row.failure, row.confirmed_at) == ("waiting", "", None)
    site.world.after(5 * MINUTE)
    assert site.asked_for(2) == [phone]
    assert (phone.restarts, of_the_next().state) == (2, "confirmed")


def stranger_of(site):
    body = site.listeners.get(f"/cfg{site.phone.mac}.xml", site.phone.user_agent, "198.51.100.9").body
    assert b"BEGIN CERTIFICATE" in body


def test_a_stranger_who_comes_for_it_is_not_the_telephone_that_was_asked(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    site.poll_later(phone, after=MINUTE)
    phone.in_call = True
    assert site.asked_for(2) == [phone]
    site.world.after(10 * MINUTE)

    stranger_of(site)

    site.world.after(10 * MINUTE)
    assert site.asked_for(2) == []
    site.poll_later(phone, after=40 * MINUTE)
    assert (phone.restarts, of_the_next().confirmed_at) == (0, None)


def test_a_stranger_who_knows_the_mac_makes_nothing_count_and_nobody_restart(grandstreams):
    site, phone = grandstreams, grandstreams.phone

    def stranger():
        stranger_of(site)

    stranger()
    phone.in_call = True
    assert site.asked_for(2) == [phone]
    stranger()
    site.poll_later(phone, after=20 * MINUTE)
    stranger()
    row = of_the_next()
    assert (row.state, row.evidence, row.address, row.confirmed_at) == ("waiting", "fetched", phone.address, None)
    phone.hang_up()
    phone.restarts = 0

    site.world.after(5 * MINUTE)
    assert site.asked_for(2) == [phone]
    stranger()

    assert (phone.restarts, of_the_next().state, of_the_next().proof) == (1, "confirmed", "record")


def test_that_it_alone_came_after_its_answer_shows_who_it_was_and_no_restart(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    phone.address = "198.51.100.7"
    phone.in_call = True
    assert site.asked_for(2) == [phone]

    site.poll_later(phone, after=20 * MINUTE)

    assert of_the_next().confirmed_at is None


def test_an_answer_that_is_written_down_after_what_it_took_says_no_more(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    now = site.world.now
    [ask] = claims.claim(2, Q(), at_once=100, now=now, machine=now)
    site.poll_later(phone, after=MINUTE)
    assert of_the_next().state == "asked"

    claims.record([AskResult(ask, 200, Reaction.HEARD)], now=site.world.now, seen_at=site.world.now)

    assert (of_the_next().state, of_the_next().confirmed_at) == ("waiting", None)


def test_an_event_string_that_restarts_nobody_makes_nothing_count_and_is_not_sent_over_and_over(grandstreams):
    site, phone = grandstreams, grandstreams.phone
    TerminalType.objects.update(event="resync")
    site.poll_later(phone, after=MINUTE)

    assert site.asked_for(2) == [phone]

    assert (phone.restarts, of_the_next().confirmed_at) == (0, None)
    site.world.after(10 * MINUTE)
    assert site.asked_for(2) == []
    site.type.refresh_from_db()
    Installation.objects.of(2).update(state="waiting")
    [said] = TerminalListing(site.world.situation, (site.type,)).lines([phone.row])
    assert "resync, startet es nicht neu" in said.why_missing


def test_where_its_event_string_restarts_nobody_it_is_not_told_to_check(site, page):
    site = site("grandstream")
    phone = site.add()
    TerminalType.objects.update(event="resync")

    site.night()
    site.poll_later(phone)

    assert (site.notified, checks(phone)) == ([], False)
    assert "the event string of the type, resync, does not restart them" in page(f"/terminals/types/{site.type.pk}/")
    TerminalType.objects.update(event="")
    site.night()
    assert checks(phone)
    assert "does not restart them" not in page(f"/terminals/types/{site.type.pk}/")


@pytest.fixture
def checking_by_themselves(site):
    """A Grandstream that checks because the site's own template says so; the served pair counts, the next one it has taken by itself."""
    site = site("grandstream")
    phone = site.add()
    TerminalType.objects.update(turns_checking_on=False)
    phone.settings["P2367"] = "1"
    site.world.after(HOUR).generate()
    site.beat()
    site.phone, phone.restarts = phone, 0
    return site


def test_who_checks_by_the_sites_own_configuration_loses_its_calls_where_nobody_says_so(checking_by_themselves):
    site, phone = checking_by_themselves, checking_by_themselves.phone

    site.poll_later(phone)

    assert of_the_next().state == "confirmed"
    site.world.activate()
    assert not phone.takes_calls()


def test_where_its_type_says_so_it_restarts_before_it_counts(checking_by_themselves):
    site, phone = checking_by_themselves, checking_by_themselves.phone
    TerminalType.objects.update(checks_by_itself=True)

    site.poll_later(phone)

    assert of_the_next().state == "waiting"
    assert site.asked_for(2) == [phone]
    assert (phone.restarts, of_the_next().state) == (1, "confirmed")
    site.world.activate()
    assert phone.takes_calls()


def test_who_says_so_while_a_handover_is_under_way_has_it_asked_too(checking_by_themselves, by):
    site, phone = checking_by_themselves, checking_by_themselves.phone
    site.poll_later(phone)
    assert of_the_next().state == "confirmed"
    site.type.refresh_from_db()
    sent = the_form(site.type) | {"checks_by_itself": "on"}

    assert by("administrator").post(f"/terminals/types/{site.type.pk}/edit/", sent).status_code == 302

    assert of_the_next().state == "waiting"
    assert Installation.objects.of(1).get().confirmed_at
    assert by("administrator").post(f"/terminals/types/{site.type.pk}/edit/", sent).status_code == 302
    site.poll_later(phone)
    assert site.asked_for(2) == [phone]
    assert of_the_next().state == "confirmed"
    assert by("administrator").post(f"/terminals/types/{site.type.pk}/edit/", sent).status_code == 302
    assert of_the_next().state == "confirmed"


def test_a_restart_shows_by_what_it_took_before_and_what_it_was_asked_in_between(world):
    took_at = world.now
    asked_at, hour = took_at + MINUTE, timedelta(hours=1)
    restarts = fetches.RestartsToCome({1: [(2, asked_at)]}, {(1, 2): took_at, (1, 3): took_at}, {1: hour})

    assert restarts.counts(1, 2, took_at + 2 * MINUTE)
    assert not restarts.counts(1, 2, took_at + MINUTE)
    assert not restarts.counts(1, 2, took_at + hour)
    assert not restarts.counts(1, 2, took_at - MINUTE)
    # It was asked for an older pair, and took nothing of another one.
    assert not restarts.counts(1, 3, took_at + 2 * MINUTE)
    assert not restarts.counts(1, 1, took_at + 2 * MINUTE)
    # It counts at once what one takes that is not among them.
    assert restarts.counts(2, 3, asked_at)
