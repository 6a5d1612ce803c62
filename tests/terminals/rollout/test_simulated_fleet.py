"""Whatever the telephones do, and whenever the worker is killed: nobody is restarted twice, and the rollout gets somewhere."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from terminals.drivers.base import Reaction
from terminals.models import Installation, Rollout
from terminals.rollout import orders, rounds
from tests.support.generations import DAY, HOUR, MINUTE, SECOND

pytestmark = pytest.mark.simulation


KINDS = [Reaction.HEARD] * 6 + [Reaction.ABSENT, Reaction.BUSY, Reaction.REFUSED, Reaction.OVERLOADED]
IN_TIME = 45 * MINUTE
OVER = {"confirmed", "failed", "absent"}


def a_mixed_fleet(fleet, chance):
    """Phones of three models and agents; some are silent, refuse, or answer and never come back."""
    models = [fleet.type(name) for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940")]
    models.append(fleet.type("IP system phone", "ip_system"))
    for model in models:
        fleet.equipped(chance.randint(1, 8), of=model)
    for phone in fleet.phones.values():
        phone.answer = chance.choice(KINDS)
        phone.comes_back = chance.random() > 0.1
        phone.reboot = chance.choice([SECOND, MINUTE, 3 * MINUTE, 20 * MINUTE])


@pytest.mark.parametrize(
    ("seed", "hours"), [(0, 0.5), *(pytest.param(seed, 24, marks=pytest.mark.long) for seed in range(4))]
)
def test_a_heartbeat_that_a_simulation_leaves_out_would_change_nothing(fleet, world, delivery, seed, hours):
    """The control of all simulations, in steps of a minute."""
    chance = random.Random(seed)
    a_mixed_fleet(fleet, chance)
    delivery(at_once=3, waves=False, stop_percent=100)
    world.after(DAY).generate()
    end, quiet, left_out = world.now + hours * HOUR, world.now, 0

    while world.now < end:
        began, found = world.now, fleet.rows()
        fleet.beat()
        if fleet.rows() == found:
            quiet = max(quiet, fleet.next_beat(began, MINUTE))
        else:
            assert began >= quiet, f"what the heartbeat of {began} has changed would have come later"
        left_out += began < quiet
        fleet.pause(max(began + MINUTE - world.now, timedelta()))

    assert left_out > hours * 30


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 30))])
def test_a_killed_worker_restarts_nobody_twice_and_the_rollout_gets_to_an_end_or_a_visible_stop(
    fleet, world, delivery, seed
):
    chance = random.Random(seed)
    at_once = chance.choice([1, 3, 20])
    delivery(window_hours=12, at_once=at_once, waves=chance.random() > 0.3)
    a_mixed_fleet(fleet, chance)
    world.after(DAY).generate()
    fleet.kill = lambda _where: chance.random() < 0.05

    for _hour in range(8):
        current = fleet.during(HOUR, every=5 * MINUTE)
        if current.state == Rollout.State.STOPPED:
            orders.go_on(current, by="otto", at=world.now)
        for phone in fleet.phones.values():
            if phone.answer in {Reaction.ABSENT, Reaction.BUSY, Reaction.OVERLOADED} and chance.random() < 0.3:
                phone.answer = Reaction.HEARD
    fleet.kill = lambda _where: False
    for _hour in range(24):
        current = fleet.during(HOUR, every=10 * MINUTE)
        if current.state == Rollout.State.STOPPED or set(fleet.states(2)) <= OVER:
            break

    assert fleet.most_in_flight <= at_once
    for phone in fleet.phones.values():
        if phone.comes_back:
            assert phone.restarts <= 1, phone
        gaps = [later - earlier for earlier, later in zip(phone.heard, phone.heard[1:], strict=False)]
        assert all(gap >= IN_TIME for gap in gaps), phone
    left = set(fleet.states(2)) - OVER
    assert current.state == Rollout.State.STOPPED or not left or left == {"waiting"}, fleet.states(2)
    waiting = Installation.objects.filter(generation=2, state="waiting")
    assert current.state == Rollout.State.STOPPED or all(
        fleet.phones[row.terminal_id].answer in {Reaction.BUSY, Reaction.OVERLOADED} for row in waiting
    )


def test_with_a_third_of_the_phones_silent_the_others_have_it_in_the_night(fleet, world):
    phones = fleet.equipped(6)
    for phone in phones[::3]:
        phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    fleet.during(4 * HOUR, every=4 * MINUTE)
    assert fleet.states() == {"absent": 2, "confirmed": 4}


def queries_of(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured.captured_queries)


@pytest.mark.parametrize("count", [50, 1000])
def test_queries_grow_with_batches_and_not_with_phones(fleet, world, delivery, count):
    delivery(waves=False, at_once=500)
    for phone in fleet.equipped(count):
        phone.reboot = SECOND / 10
    world.after(DAY).generate()
    batches = 2 + 2 * count // 500
    assert queries_of(lambda: rounds.reconcile_rollouts(world.situation)) <= 18 + batches
    assert queries_of(fleet.beat) <= 50 + 20 * batches
    assert fleet.states() == {"confirmed": count}


def test_with_everybody_confirmed_a_round_costs_no_more_with_500_terminals_and_writes_nothing(fleet, world):
    def statements():
        with CaptureQueriesContext(connection) as captured:
            rounds.reconcile_rollouts(world.situation)
        return [query["sql"] for query in captured.captured_queries]

    fleet.equipped(5)
    fleet.beat()
    few = statements()
    fleet.equipped(500)
    fleet.beat()
    many = statements()
    assert len(few) == len(many) <= 10
    assert all(sql.startswith("SELECT") for sql in many)
