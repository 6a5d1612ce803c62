"""Who has heard it and does not come back, or does not confirm (rule given-up)."""

import pytest

from tests.support.fleet import IN_TIME
from tests.support.generations import HOUR, MINUTE, SECOND

pytestmark = pytest.mark.simulation


def test_one_that_answers_and_never_comes_has_failed_after_45_minutes_and_is_not_asked_again(fleet, renew, delivery):
    delivery(window_hours=12)
    fleet.equipped(1, of=fleet.type("Mitel 6940"))
    [phone] = fleet.equipped()
    phone.comes_back = False
    renew()
    fleet.during(IN_TIME - MINUTE)
    assert fleet.row(phone).state == "heard"
    fleet.during(2 * MINUTE)
    assert (fleet.row(phone).state, fleet.row(phone).failure) == ("failed", "not_back")
    fleet.during(5 * HOUR)
    assert len(phone.notified) == 1


def test_one_that_comes_late_is_confirmed_all_the_same(fleet, renew):
    fleet.equipped(1, of=fleet.type("Mitel 6940"))
    [phone] = fleet.equipped()
    phone.reboot = 50 * MINUTE
    renew()
    fleet.during(48 * MINUTE)
    assert fleet.row(phone).state == "failed"
    fleet.during(5 * MINUTE)
    assert fleet.row(phone).state == "confirmed"


def test_an_answer_that_comes_after_the_fetch_changes_no_state(fleet, renew):
    [phone] = fleet.equipped()
    phone.reboot = SECOND / 100
    renew()
    row = fleet.row(phone)
    assert (row.state, row.status_code) == ("confirmed", 200)
