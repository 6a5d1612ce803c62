"""The clock is set in the middle of a rollout."""

from terminals.drivers.base import Reaction
from terminals.models import Installation
from tests.support.generations import DAY, MINUTE


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
