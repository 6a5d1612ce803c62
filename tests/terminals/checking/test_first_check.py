"""A Grandstream is told to check when it is shown that it has restarted with what it is to trust, and not before (rule first-check)."""

from datetime import timedelta

import pytest

from terminals.checking import orders
from terminals.checking.models import Checking
from terminals.models import Installation, TerminalType
from tests.support.generations import DAY, HOUR, MINUTE
from tests.terminals.checking.conftest import checks

pytestmark = pytest.mark.simulation


@pytest.fixture
def fresh(site):
    """A telephone that has taken the served pair by itself, and has not restarted since: what its places hold does not count yet."""
    site = site("grandstream")
    phone = site.add()
    phone.in_use = {}
    site.phone = phone
    return site


def at_night(site, minute=0):
    return (site.world.now + DAY).replace(hour=1, minute=minute)


def beats_for(site, span):
    """A round every five minutes; the telephone asks by itself as often as its maker lets it at most."""
    until = site.world.now + span
    polls_at = site.world.now + HOUR
    while site.world.now < until:
        site.world.after(4 * MINUTE)
        site.beat()
        if site.world.now >= polls_at:
            site.phone.poll()
            polls_at = site.world.now + HOUR
        assert site.phone.takes_calls()


def test_during_a_call_that_puts_its_restart_off_it_is_not_told_to_check(fresh):
    site, phone = fresh, fresh.phone
    phone.in_call = True
    site.beats(at_night(site))

    beats_for(site, timedelta(hours=3))

    assert site.notified.count(phone) > 1
    assert (phone.restarts, checks(phone)) == (0, False)


def test_one_that_asks_by_itself_at_the_wrong_moment_is_not_told_either(fresh):
    site, phone = fresh, fresh.phone
    phone.in_call = True
    site.beats(at_night(site))
    phone.poll()
    assert not checks(phone)
    site.world.after(5 * MINUTE)
    assert [ask.terminal for ask in site.beat()] == [phone.row]

    site.poll_later(phone)

    assert (phone.restarts, checks(phone)) == (0, False)
    assert phone.takes_calls()


def test_one_that_somebody_has_read_its_files_before_it_is_asked_once_more_is_told_nothing(fresh):
    site, phone = fresh, fresh.phone
    phone.in_call = True
    site.beats(at_night(site))
    phone.poll()
    site.world.after(3 * MINUTE)

    phone.poll()

    assert (phone.restarts, checks(phone)) == (0, False)


def test_it_restarts_twice_in_one_night_and_is_told_the_second_time(fresh):
    site, phone = fresh, fresh.phone
    site.beats(at_night(site))
    assert (phone.restarts, checks(phone), site.state(phone)) == (1, False, "told")
    site.beat()
    assert phone.restarts == 1

    site.world.after(5 * MINUTE)
    site.beat()

    assert (phone.restarts, checks(phone), site.state(phone)) == (2, True, "read")
    assert phone.takes_calls()
    site.world.after(10 * MINUTE)
    site.beat()
    assert phone.restarts == 2


def test_when_its_long_call_is_over_it_is_asked_once_more(fresh):
    site, phone = fresh, fresh.phone
    phone.in_call = True
    site.beats(at_night(site))
    phone.poll()
    site.world.after(5 * MINUTE)
    assert site.beat()
    site.world.after(56 * MINUTE)
    phone.hang_up()
    assert (phone.restarts, checks(phone)) == (1, False)

    site.world.after(5 * MINUTE)
    site.beat()

    assert (phone.restarts, checks(phone)) == (2, True)
    assert phone.takes_calls()


def test_another_one_is_not_told_while_the_first_is_on_its_way(fresh):
    site, phone = fresh, fresh.phone
    other = site.add()
    site.beats(at_night(site))
    beats_for(site, 10 * MINUTE)

    assert sorted([checks(phone), checks(other)]) == [False, True]
    assert len(set(map(id, site.notified))) == 1


def test_a_stranger_who_comes_in_between_is_told_nothing_and_makes_nobody_be_asked_once_more(fresh):
    site, phone = fresh, fresh.phone
    phone.in_call = True
    site.beats(at_night(site))

    def stranger():
        return site.listeners.get(f"/cfg{phone.mac}.xml", phone.user_agent, "198.51.100.9").body

    assert b"P2367" not in stranger()
    site.world.after(6 * MINUTE)
    assert site.beat() == []
    phone.poll()
    site.world.after(5 * MINUTE)
    assert site.beat()
    assert b"P2367" not in stranger()


def test_what_it_took_before_another_pair_was_served_shows_nothing(fresh):
    site, phone = fresh, fresh.phone
    site.beats(at_night(site))
    assert phone.restarts == 1
    site.world.after(MINUTE).generate()
    site.world.activate()
    assert site.world.active.number == 2
    phone.poll()
    phone.poll()
    assert Installation.objects.of(2).get().confirmed_at
    Checking.objects.update(took_at=Installation.objects.of(2).get().confirmed_at - MINUTE)

    site.world.after(5 * MINUTE)

    assert site.beat() == []
    assert not checks(phone)


def test_one_that_is_told_again_and_may_check_all_the_same_restarts_before_the_next_pair_counts(fresh):
    """It did not come back for the file that takes the check back."""
    site, phone = fresh, fresh.phone
    site.brought_back(phone)
    assert orders.take_back(phone.row.pk, by="anna", at=site.world.now)
    assert orders.tell_again(phone.row.pk)
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    assert checks(phone)
    assert Installation.objects.of(2).get().state == "waiting"
    assert site.asked_for(2) == [phone]
    site.world.activate()
    assert phone.takes_calls()


def test_where_its_type_says_no_longer_and_then_again_that_it_checks_it_is_not_forgotten(fresh):
    site, phone = fresh, fresh.phone
    site.brought_back(phone)
    Checking.objects.update(state="taken_back", why="switched_off", taken_back_at=site.world.now)
    site.beat()
    assert site.state(phone) == "told"
    for says in (False, True):
        TerminalType.objects.update(turns_checking_on=says)
        site.type.refresh_from_db()
        site.world.after(MINUTE)
        site.beat()
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    assert checks(phone)
    assert Installation.objects.of(2).get().state == "waiting"
