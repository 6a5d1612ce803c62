"""Generate at once: whether telephones restart now or in the next window is what the person ticked on the page."""

import pytest

from certificates.models import Generation
from terminals.models import Rollout
from tests.support.generations import HOUR, MINUTE

pytestmark = pytest.mark.simulation


GENERATE = "/certificates/generate/"
RESTART_NOW = 'name="restart_now"'


@pytest.fixture
def order(fleet, operator_client, password):
    """Send the form as otto does, with his password; then the worker's next round."""

    def ordered(**values):
        newest = Generation.objects.latest("number").number
        sent = {"newest": newest, "how": "at_once", "reason": "", "password": password, **values}
        assert operator_client.post(GENERATE, sent).status_code == 302
        return fleet.beat()

    return ordered


@pytest.fixture
def desks(fleet):
    """Three Mitel phones that trust the active pair. It is six hours to the next window."""
    phones = fleet.equipped(3)
    fleet.beat()
    return phones


def is_ticked(page):
    checkbox = next(tag for tag in page.content.decode().split("<input")[1:] if RESTART_NOW in tag.partition(">")[0])
    return "checked" in checkbox.partition(">")[0]


def test_what_is_ticked_restarts_them_now(fleet, desks, order):
    assert order(restart_now="on").restart_now
    assert fleet.world.states == {1: "superseded", 2: "active"}

    fleet.during(HOUR)

    assert fleet.states() == {"confirmed": 3}
    assert [phone.restarts for phone in desks] == [1, 1, 1]


def test_what_is_not_ticked_restarts_them_in_the_next_window(fleet, desks, order):
    began = fleet.world.now
    assert not order().restart_now
    assert fleet.world.states == {1: "superseded", 2: "active"}

    fleet.until(began + 5 * HOUR, every=20 * MINUTE)
    assert fleet.notified() == 0

    fleet.until(began + 7 * HOUR)
    assert fleet.states() == {"confirmed": 3}
    assert all(at >= began + 5 * HOUR for phone in desks for at in phone.notified)


def test_with_handover_the_tick_restarts_nobody_by_day(fleet, desks, order):
    order(how="handover", restart_now="on")

    fleet.during(HOUR)

    assert fleet.world.states == {1: "active", 2: "prepared"}
    assert not Rollout.objects.get(generation=2).restart_now
    assert fleet.notified() == 0


def test_those_that_need_no_restart_do_not_wait_for_the_window_either_way(fleet, order):
    agents = fleet.equipped(2, of=fleet.type("IP system phone", "ip_system"))
    order()

    fleet.during(HOUR)

    assert fleet.states() == {"confirmed": 2}
    assert fleet.notified(agents) == 2


def test_it_is_ticked_beforehand_where_the_active_pair_has_ended_and_not_where_it_carries_calls(
    fleet, desks, operator_client
):
    assert not is_ticked(operator_client.get(GENERATE))

    Generation.objects.update(end=fleet.world.now - HOUR)

    assert is_ticked(operator_client.get(GENERATE))
