"""A round of the worker: killed, cut short, never longer than a minute (rule round)."""

from datetime import timedelta

import pytest

from terminals.drivers.base import Reaction
from terminals.models import Installation
from terminals.rollout import rounds
from terminals.web import snapshot
from tests.support.fleet import IN_TIME, REBOOT, TIMER_F
from tests.support.generations import DAY, HOUR, MINUTE, SECOND


@pytest.fixture(autouse=True)
def seldom_looks():
    """The pauses are the product's here: they are what this is about."""


def test_what_was_claimed_by_a_worker_that_was_killed_is_not_asked_again_before_it_could_be_back(
    fleet, world, renew, delivery
):
    delivery(window_hours=12)
    [phone] = fleet.equipped()
    fleet.kill = lambda where: where == "claimed"
    renew()
    fleet.kill = lambda _where: False
    assert (fleet.row(phone).state, phone.notified) == ("asked", [])
    fleet.during(IN_TIME - MINUTE)
    assert phone.notified == []
    fleet.during(10 * MINUTE)
    assert len(phone.notified) == 1
    assert fleet.row(phone).state == "confirmed"


def test_one_that_had_heard_it_confirms_and_is_not_restarted_again(fleet, renew):
    [phone] = fleet.equipped()
    fleet.kill = lambda where: where == "answered"
    renew()
    fleet.kill = lambda _where: False
    fleet.during(3 * HOUR)
    assert (fleet.row(phone).state, phone.restarts) == ("confirmed", 1)


def test_a_round_that_is_cut_short_for_others_leaves_nobody_asked_twice(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    began = world.after(MINUTE).now
    fleet.beat(others_wait=lambda: bool(phone.notified))
    assert world.now - began < 10 * SECOND
    row = fleet.row(phone)
    assert (row.state, row.next_at - world.now) == ("absent", IN_TIME)


def test_it_is_cut_short_too_while_it_waits_for_the_last_answers(fleet, world):
    phones = fleet.equipped(2)
    for phone in phones:
        phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    began = world.after(MINUTE).now
    late = began + rounds.CLAIMS_FOR + 2 * SECOND
    fleet.beat(others_wait=lambda: world.now >= late)
    assert late <= world.now < began + TIMER_F, "nobody's time is over yet"
    assert {fleet.row(phone).state for phone in phones if phone.notified} == {"absent"}


def test_nobody_is_asked_before_the_listeners_have_read_of_a_new_pair(fleet, world):
    [phone] = fleet.equipped()
    made = world.after(DAY).now
    world.generate()
    fleet.beat()
    [notified] = phone.notified
    assert timedelta(seconds=snapshot.LONGEST_PAUSE) < notified - made < 10 * SECOND


def test_the_worker_does_not_wait_for_the_listeners_where_it_has_something_else_to_do(fleet, world):
    [phone] = fleet.equipped()
    made = world.after(DAY).now
    world.generate()
    fleet.beat(others_wait=lambda: True)
    assert not phone.notified
    assert world.now - made < SECOND


def test_a_round_ends_within_a_minute_whoever_is_silent(fleet, world, renew, delivery):
    delivery(waves=False, at_once=5)
    for phone in fleet.equipped(200):
        phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    began = world.now
    fleet.beat()
    assert world.now - began <= MINUTE


def test_with_nothing_to_ask_it_ends_at_once(fleet, world):
    fleet.equipped(3)
    fleet.beat()
    began = world.now
    fleet.beat()
    assert world.now == began


def test_nobody_is_waited_for_who_takes_minutes_to_restart(fleet, world, renew):
    fleet.equipped(5)
    world.after(DAY).generate()
    began = world.after(MINUTE).now
    fleet.beat()
    assert world.now - began < 5 * SECOND < REBOOT


def test_reconciling_twice_changes_nothing(fleet, world, renew):
    fleet.equipped(5)
    renew()
    before = list(Installation.objects.order_by("pk").values())
    rounds.reconcile_rollouts(world.situation)
    rounds.reconcile_rollouts(world.situation)
    assert list(Installation.objects.order_by("pk").values()) == before
