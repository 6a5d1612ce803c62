"""A restart, or only the time at which it asks by itself: what a telephone that checks has shown (rule checking)."""

from datetime import timedelta

import pytest
from django.db.models import Q

from terminals.directory.listing import TerminalListing
from terminals.drivers.base import Reaction
from terminals.evidence import fetches
from terminals.models import Installation, TerminalType
from terminals.rollout import claims
from terminals.rollout.claims import AskResult
from tests.support.generations import DAY, HOUR, MINUTE
from tests.terminals.checking.conftest import checks, the_form

pytestmark = pytest.mark.simulation


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
