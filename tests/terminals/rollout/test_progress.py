"""How a rollout stands, what comes next, and what one would be before its generation is made."""

import pytest

from terminals.drivers.base import Reaction
from terminals.rollout import orders
from terminals.rollout.progress import forecast_generation, rollout_progress
from terminals.states import DeliveryState, Wave
from tests.support.generations import DAY, HOUR, MINUTE, utc


def test_it_counts_by_method_wave_and_state(fleet, world):
    fleet.equipped(10)
    fleet.add(2, of=fleet.type("Yealink", "sip_standard"))
    world.after(DAY).generate()
    fleet.beat()
    seen = rollout_progress(world.situation)
    assert (seen.rollout.generation_id, seen.total, seen.in_flight, seen.needs_person) == (2, 12, 1, 2)
    assert [(row.method, row.wave, row.total, row.is_open) for row in seen.rows] == [
        ("mitel_sip", Wave.FIRST, 1, True),
        ("mitel_sip", Wave.SECOND, 1, False),
        ("mitel_sip", Wave.THIRD, 3, False),
        ("mitel_sip", Wave.REST, 5, False),
        ("sip_standard", Wave.BY_HAND, 2, False),
    ]
    assert seen.states == {DeliveryState.HEARD: 1, DeliveryState.WAITING: 11}
    assert not seen.is_complete


def test_by_night_the_next_is_asked_now_and_by_day_when_the_window_opens(fleet, world):
    fleet.equipped(10)
    world.after(DAY).generate()
    fleet.beat()
    seen = rollout_progress(world.situation)
    assert seen.next_at == world.now
    assert seen.restarts_allowed
    assert world.now < seen.ends_at < world.now + HOUR
    world.at(utc("2026-07-02 09:00"))
    seen = rollout_progress(world.situation)
    assert seen.next_at == utc("2026-07-03 00:00")
    assert not seen.restarts_allowed
    assert utc("2026-07-03 00:00") < seen.ends_at < utc("2026-07-03 01:00")


def test_what_one_night_does_not_hold_goes_on_in_the_next(fleet, world, delivery):
    delivery(at_once=1, waves=False)
    fleet.add(100)
    world.after(DAY + 8 * HOUR).generate()
    fleet.beat()
    assert rollout_progress(world.situation).ends_at == utc("2026-07-04 01:00")


def test_an_absent_one_is_next_when_its_time_has_come(fleet, world):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    fleet.beat()
    assert world.now < rollout_progress(world.situation).next_at <= world.now + MINUTE


def test_a_paused_one_has_nothing_next(fleet, world):
    fleet.equipped(3)
    world.after(DAY).generate()
    orders.pause(fleet.beat(), by="otto", at=world.now)
    seen = rollout_progress(world.situation)
    assert (seen.next_at, seen.ends_at) == (None, None)


def test_where_all_have_confirmed_nothing_is_next(fleet, world):
    fleet.equipped(3)
    fleet.beat()
    seen = rollout_progress(world.situation)
    assert (seen.next_at, seen.ends_at, seen.is_complete) == (None, None, True)


def test_without_a_rollout_there_is_no_progress(world):
    assert rollout_progress(world.situation) is None


@pytest.mark.parametrize("count", [5, 500])
def test_it_costs_the_same_whatever_the_number_of_terminals(fleet, world, count, django_assert_max_num_queries):
    fleet.equipped(count)
    world.after(DAY).generate()
    fleet.beat()
    situation = world.situation
    with django_assert_max_num_queries(6):
        seen = rollout_progress(situation)
        assert (seen.total, seen.next_at is None, seen.ends_at is None) == (count, False, False)


def test_a_forecast_says_how_many_restart_who_needs_a_hand_and_who_has_a_gap(fleet, world):
    fleet.add(8)
    fleet.add(3, of=fleet.type("IP system phone", "ip_system"))
    fleet.add(2, of=fleet.type("Yealink", "sip_standard"))
    fleet.add(1, of=fleet.type("Cisco SPA", "sip_standard", holds_only_one=True))
    world.after(8 * HOUR)
    seen = forecast_generation(world.situation)
    assert (seen.restarting, seen.exchanged_in_service, seen.by_hand, seen.gap) == (8, 3, 3, 1)
    assert seen.restarts_at == utc("2026-07-02 00:00") < seen.ends_at


def test_a_forecast_of_no_terminals_restarts_nobody(world):
    assert forecast_generation(world.situation).restarts_at is None
    assert forecast_generation(world.situation).ends_at is None
