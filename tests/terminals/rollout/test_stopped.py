"""A rollout that stops because too many fail, or is paused by a person (rule stop-rule)."""

import pytest

from terminals.models import Rollout
from terminals.rollout import orders
from tests.support.generations import HOUR, MINUTE

pytestmark = pytest.mark.simulation


@pytest.fixture
def stopped(fleet, renew):
    """Of three models two first ones did not come back."""
    firsts = []
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        firsts += fleet.equipped(1, of=fleet.type(name))
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        fleet.add(4, of=fleet.type(name))
    for phone in firsts[:2]:
        phone.comes_back = False
    renew()
    fleet.during(50 * MINUTE)
    return firsts


def test_two_failures_among_the_first_stop_the_rollout_and_hold_the_deadline(fleet, world, stopped):
    assert Rollout.objects.get(generation=2).state == "stopped"
    assert fleet.notified() == 3
    ready = world.telephones.readiness(root_sha256=world.pending.root_sha256, counts="all", now=world.now)
    assert ready.rollout_stopped
    assert ready.holds_deadline


def test_one_failure_among_three_first_ones_does_not(fleet, renew):
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        [phone] = fleet.equipped(1, of=fleet.type(name))
    phone.comes_back = False
    renew()
    assert fleet.during(HOUR).state == "running"


def test_going_on_counts_only_the_failures_since(fleet, world, stopped):
    orders.go_on(Rollout.objects.get(generation=2), by="otto", at=world.now)
    fleet.during(2 * HOUR)
    assert Rollout.objects.get(generation=2).state == "running"
    assert fleet.states() == {"confirmed": 13, "failed": 2}


def test_retrying_asks_the_failed_ones_again(fleet, world, stopped):
    for phone in stopped:
        phone.comes_back = True
    current = Rollout.objects.get(generation=2)
    assert orders.retry_failed(current, by="otto", at=world.now) == 2
    orders.go_on(current, by="otto", at=world.now)
    fleet.during(2 * HOUR)
    assert fleet.states() == {"confirmed": 15}
    assert [len(phone.notified) for phone in stopped] == [2, 2, 1]


def test_a_paused_rollout_asks_nobody_until_a_person_goes_on(fleet, world, renew):
    fleet.equipped(5)
    current = renew()
    orders.pause(current, by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.notified() == 1
    assert fleet.states() == {"confirmed": 1, "waiting": 4}
    orders.go_on(current, by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 5}


@pytest.mark.parametrize("order", [orders.pause, orders.restart_now, orders.retry_failed])
def test_a_rollout_that_has_ended_takes_no_orders(fleet, world, renew, order):
    fleet.equipped()
    renew()
    world.discard()
    fleet.beat()
    with pytest.raises(orders.RolloutOrderRefused):
        order(Rollout.objects.get(generation=2), by="otto", at=world.now)


def test_a_running_one_can_not_be_continued(fleet, world, renew):
    fleet.equipped()
    current = renew()
    with pytest.raises(orders.RolloutOrderRefused):
        orders.go_on(current, by="otto", at=world.now)


def test_it_stops_at_so_many_failures_among_the_first_as_it_is_set(fleet, renew, delivery):
    delivery(stop_among_first=1)
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        [phone] = fleet.equipped(1, of=fleet.type(name))
    phone.comes_back = False
    renew()
    assert fleet.during(HOUR).state == "stopped"


@pytest.mark.parametrize(("percent", "state"), [(9, "stopped"), (10, "running")])
def test_it_stops_above_the_part_of_a_wave_that_is_set(fleet, renew, delivery, percent, state):
    delivery(waves=False, stop_percent=percent)
    fleet.equipped(10)[0].comes_back = False
    renew()
    assert fleet.during(HOUR).state == state
