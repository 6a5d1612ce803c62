"""Who is absent, busy or overloaded is asked again (rule absent)."""

from datetime import timedelta

import pytest

from terminals.drivers.base import Reaction
from tests.support.fleet import TIMER_F
from tests.support.generations import HOUR, MINUTE

pytestmark = pytest.mark.simulation


def test_an_absent_one_is_asked_again_after_1_2_4_and_up_to_60_minutes_then_every_hour(fleet, world, renew, delivery):
    delivery(window_hours=12)
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew()
    fleet.during(5 * HOUR)
    waits = [later - earlier for earlier, later in zip(phone.notified, phone.notified[1:], strict=False)]
    expected = [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    assert all(due + TIMER_F <= wait <= due + TIMER_F + MINUTE for due, wait in zip(expected, waits, strict=False)), (
        waits
    )
    assert len(waits) >= len(expected)


def test_one_that_is_back_takes_it_and_the_server_switches(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew()
    fleet.during(30 * MINUTE)
    phone.answer = Reaction.HEARD
    fleet.during(HOUR)
    assert world.states == {1: "superseded", 2: "active"}


@pytest.mark.parametrize("reaction", [Reaction.BUSY, Reaction.OVERLOADED])
def test_a_busy_one_is_asked_again_and_has_not_failed(fleet, renew, reaction):
    [phone] = fleet.equipped()
    phone.answer = reaction
    renew()
    fleet.during(10 * MINUTE)
    assert fleet.row(phone).state == "waiting"
    phone.answer = Reaction.HEARD
    fleet.during(20 * MINUTE)
    assert fleet.row(phone).state == "confirmed"


def test_who_says_when_to_come_again_is_not_asked_before(fleet, renew):
    [phone] = fleet.equipped()
    phone.answer, phone.retry_after = Reaction.OVERLOADED, 20 * MINUTE
    renew()
    fleet.during(19 * MINUTE)
    assert len(phone.notified) == 1
    fleet.during(3 * MINUTE)
    assert len(phone.notified) == 2


@pytest.mark.parametrize("reaction", [Reaction.REFUSED, Reaction.CREDENTIALS, Reaction.NOT_SUPPORTED, Reaction.OTHER])
def test_one_that_refuses_has_failed_and_says_why(fleet, renew, reaction):
    fleet.equipped(1, of=fleet.type("Mitel 6940"))
    [phone] = fleet.equipped()
    phone.answer = reaction
    renew()
    fleet.during(2 * HOUR)
    row = fleet.row(phone)
    assert (row.state, row.failure, len(phone.notified)) == ("failed", reaction.value, 1)


def test_one_that_refuses_and_fetches_by_itself_is_confirmed(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.NOT_SUPPORTED
    renew()
    assert fleet.row(phone).state == "failed"
    fleet.fetch(phone)
    assert fleet.row(phone).state == "confirmed"
