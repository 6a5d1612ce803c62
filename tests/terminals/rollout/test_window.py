"""The hours of the night in which telephones may restart (rules restart-window, restart-outside)."""

import pytest

from terminals.drivers.base import Reaction
from terminals.models import Rollout
from terminals.rollout import orders
from tests.support.generations import HOUR, MINUTE, SECOND, utc

pytestmark = pytest.mark.simulation


def test_by_day_nobody_restarts(fleet, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR)
    fleet.until(utc("2026-07-02 23:59"), every=30 * MINUTE)
    assert fleet.notified() == 0
    fleet.until(utc("2026-07-03 01:00"))
    assert fleet.states() == {"confirmed": 3}


def test_what_opens_less_than_a_second_after_a_heartbeat_is_not_slept_through(fleet, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR - SECOND / 10)
    fleet.until(utc("2026-07-03 01:00") - SECOND / 10)
    assert fleet.states() == {"confirmed": 3}


def test_a_person_can_restart_them_outside_the_window_for_this_rollout(fleet, world, renew):
    fleet.equipped(3)
    current = renew(at=8 * HOUR)
    orders.restart_now(current, by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 3}
    assert not Rollout.objects.exclude(generation=2).filter(restart_now=True).exists()


def test_the_window_closes_in_the_middle_of_a_wave(fleet, world, renew, delivery):
    delivery(at_once=1, waves=False)
    phones = fleet.equipped(10)
    for phone in phones:
        phone.reboot = 10 * MINUTE
    renew(at=4 * HOUR - 15 * MINUTE)
    fleet.during(HOUR, every=MINUTE)
    confirmed = fleet.states()["confirmed"]
    assert 0 < confirmed < 10
    assert fleet.notified() == confirmed
    assert all(at < utc("2026-07-02 04:00") for phone in phones for at in phone.notified)
    fleet.until(utc("2026-07-03 03:00"), every=5 * MINUTE)
    assert fleet.states() == {"confirmed": 10}


def test_in_the_last_day_before_the_deadline_they_restart_at_any_hour(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew(at=8 * HOUR)
    deadline = world.pending.deadline
    world.at(deadline - 25 * HOUR)
    fleet.during(30 * MINUTE)
    before = len(phone.notified)
    world.at(deadline - 20 * HOUR)
    fleet.during(5 * MINUTE)
    assert before == 0
    assert len(phone.notified) > before


def test_a_generation_at_once_restarts_them_now_where_it_was_said(fleet, world, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR, at_once=True, restart_now=True)
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 3}


def test_and_in_the_next_window_where_it_was_not(fleet, world, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR, at_once=True, restart_now=False)
    fleet.during(HOUR)
    assert world.states == {1: "superseded", 2: "active"}
    assert fleet.notified() == 0


def test_with_handover_nothing_is_said_of_restarts(fleet, world, renew):
    fleet.equipped()
    renew(at=8 * HOUR, restart_now=True)
    assert not Rollout.objects.get(generation=2).restart_now


def test_what_nobody_asked_for_restarts_them_now_where_the_old_pair_has_ended(fleet, world):
    fleet.equipped(2)
    world.at(world.active.end + 8 * HOUR)
    fleet.beat()
    fleet.during(HOUR)
    assert world.states == {1: "superseded", 2: "active"}
    assert fleet.states() == {"confirmed": 2}


def test_a_leaked_key_restarts_them_now(fleet, world):
    fleet.equipped(2)
    world.after(8 * HOUR).withdraw(1)
    fleet.during(HOUR)
    assert world.states == {1: "withdrawn", 2: "active"}
    assert fleet.states() == {"confirmed": 2}
