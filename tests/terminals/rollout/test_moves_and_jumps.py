"""What changes in the middle of a rollout: a terminal moves to another address, the clock jumps."""

import pytest

from certificates.renewal.situation import Situation
from terminals.models import DeliverySettings, Terminal
from terminals.rollout import rounds
from terminals.rollout.sip_sender import SipSender
from tests.support.generations import DAY, HOUR, MINUTE
from tests.support.sip_phone import a_phone

pytestmark = pytest.mark.simulation


def ask(world):
    current = rounds.reconcile_rollouts(world.situation)
    with SipSender(world.situation, DeliverySettings.load()) as sender:
        rounds.RolloutRound(world.situation, current, sender).run()


def test_a_terminal_that_moves_is_asked_at_its_new_address_alone(fleet, world):
    with a_phone("480 Temporarily Unavailable") as (old, left), a_phone() as (new, heard):
        [phone] = fleet.equipped(address=f"127.0.0.1:{old}", way="direct")
        world.after(DAY).generate()
        ask(world)
        assert (fleet.row(phone, 2).state, len(left)) == ("absent", 1)

        Terminal.objects.filter(pk=phone.terminal.pk).update(address=f"127.0.0.1:{new}")
        world.after(2 * MINUTE)
        ask(world)

    assert (fleet.row(phone, 2).state, len(left), len(heard)) == ("heard", 1, 1)


def test_one_that_moves_while_it_restarts_is_confirmed_from_where_it_is_and_that_is_remembered(fleet, world):
    with a_phone() as (port, heard):
        [phone] = fleet.equipped(address=f"127.0.0.1:{port}", way="direct")
        world.after(DAY).generate()
        ask(world)
        fleet.fetch(phone, address="192.0.2.44")
        ask(world)

    row = fleet.row(phone, 2)
    assert (row.state, row.address, row.address_differs, len(heard)) == ("confirmed", "192.0.2.44", True, 1)


@pytest.mark.parametrize("jumped", [DAY, -DAY], ids=["ahead", "back"])
def test_a_clock_that_jumps_gives_up_nobody_who_restarts_and_asks_nobody_again(fleet, world, jumped):
    phones = fleet.equipped(2)
    world.after(DAY).generate()
    fleet.beat()
    notified = fleet.notified()
    assert "heard" in fleet.states(2)

    situation = Situation.load(world.clock(jumped=jumped))
    assert abs(situation.clock.machine - world.now) == DAY
    current = rounds.reconcile_rollouts(situation)
    fleet._began = world.now
    rounds.RolloutRound(situation, current, fleet, stopwatch=fleet).run()

    assert "failed" not in fleet.states(2)
    assert fleet.notified() == notified
    fleet.during(HOUR)
    assert fleet.states(2) == {"confirmed": 2}
    assert [phone.restarts for phone in phones] == [1, 1]


def test_time_that_has_really_passed_gives_them_up(fleet, world):
    """What the jump above must not do."""
    [phone] = fleet.equipped()
    phone.comes_back = False
    world.after(DAY).generate()
    fleet.beat()

    rounds.reconcile_rollouts(world.after(HOUR).situation)

    assert fleet.states(2) == {"failed": 1}
