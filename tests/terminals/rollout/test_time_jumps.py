"""The clock is wrong, or is set, in the middle of a rollout."""

import pytest

from certificates.renewal.situation import Situation
from terminals.drivers.base import Reaction
from terminals.evidence import recording
from terminals.evidence.facts import Reported
from terminals.models import Installation, Terminal
from terminals.rollout import rounds
from tests.support.generations import DAY, HOUR, MINUTE

pytestmark = pytest.mark.simulation


def test_a_clock_set_back_leaves_nobody_waiting_for_years(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew()
    Installation.objects.update(next_at=world.now + 365 * DAY)
    phone.answer = Reaction.HEARD
    fleet.during(10 * MINUTE)
    assert fleet.row(phone).state == "confirmed"


def test_nor_in_flight(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.comes_back = False
    renew()
    Installation.objects.filter(state="heard").update(next_at=world.now + 365 * DAY)
    fleet.during(50 * MINUTE)
    assert fleet.row(phone).state == "failed"


def round_by(fleet, clock):
    """A round of the rollout by a machine whose clock is off."""
    situation = Situation.load(clock)
    current = rounds.reconcile_rollouts(situation)
    fleet.run(situation, current)


@pytest.mark.parametrize("off", [-3 * HOUR, 3 * HOUR])
def test_a_report_has_its_time_to_be_proved_by_whichever_clock_it_was_received(fleet, world, renew, off):
    """The listeners write by the machine's clock, and the worker knows the offset."""
    [phone] = fleet.equipped(of=fleet.type("System phone", "ip_system"))
    phone.comes_back = False
    renew()
    reported_at = world.now
    at = world.clock(offset=-off).machine
    recording.reported([Reported(phone.terminal.pk, world.situation.trusted_roots, "agent", "192.0.2.99", at)])
    assert fleet.row(phone).state == "fetched"
    for minutes in (0, 1, 5, 15, 30, 42):
        world.at(reported_at + minutes * MINUTE)
        round_by(fleet, world.clock(offset=-off))
        assert fleet.row(phone).state == "fetched"
    world.at(reported_at + 48 * MINUTE)
    round_by(fleet, world.clock(offset=-off))
    assert fleet.row(phone).state == "failed"


@pytest.mark.parametrize("off", [-3 * HOUR, 3 * HOUR])
def test_when_a_phone_has_answered_is_kept_by_the_machines_clock(fleet, world, off):
    [phone] = fleet.equipped()
    world.after(DAY).generate()
    clock = world.clock(offset=-off)
    round_by(fleet, clock)
    contact = Terminal.objects.get(pk=phone.terminal.pk).last_contact
    assert clock.machine <= contact <= clock.machine + MINUTE
