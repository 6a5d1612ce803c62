"""Back to the pair that the active one took over from (rule roll-back)."""

from datetime import timedelta

import pytest

from certificates.models import Switch
from certificates.renewal import orders
from certificates.renewal.orders import StateRefused
from tests.support.generations import DAY, HOUR, MINUTE, START, utc

SECOND = timedelta(seconds=1)
END = utc("2027-07-31 00:00")


@pytest.fixture
def switched(handing_over):
    """The second pair is active since 16 July 2027; the first ends on 31 July."""
    handing_over.once("the deadline", handing_over.at("2027-07-16 00:00").beat)
    assert handing_over.states == {1: "superseded", 2: "active"}
    return handing_over


def test_one_action_serves_the_pair_before_and_holds_the_new_one(switched):
    switch = switched.roll_back()
    assert (switch.why, switch.by, switch.reason) == ("roll_back", "otto", "phones refuse")
    assert switched.states == {1: "active", 2: "held"}
    assert switched.pending.held_because == "rolled_back"
    assert switched.store.current == 1
    assert switched.store.target("next") == "generations/0002"
    assert switched.roots_in_bundle() == {1, 2}


def test_there_is_nothing_to_roll_back_to_before_the_first_switch(running):
    with pytest.raises(StateRefused):
        running.roll_back()
    assert not Switch.objects.filter(why="roll_back").exists()


def test_an_hour_has_to_be_left(switched):
    with pytest.raises(StateRefused):
        switched.at(END - HOUR + SECOND).roll_back()
    assert switched.at(END - HOUR).roll_back().outcome == "not_verified"
    assert switched.states == {1: "active", 2: "held"}


def test_also_once_it_has_left_the_bundle_and_then_it_is_back_in(running):
    running.generate(at_once=True)
    running.at(START + 40 * DAY).beat()
    assert running.roots_in_bundle() == {2}
    running.roll_back()
    assert running.states == {1: "active", 2: "held"}
    assert running.roots_in_bundle() == {1, 2}


def test_a_prepared_pair_is_discarded_by_it(switched):
    switched.generate()
    assert switched.pending.number == 3
    switched.roll_back()
    assert switched.states == {1: "active", 2: "held", 3: "discarded"}
    assert switched.store.target("next") == "generations/0002"


def test_what_was_rolled_back_from_waits_for_a_person(switched):
    switched.roll_back()
    deadline = switched.pending.deadline
    switched.until(switched.now + 5 * MINUTE)
    switched.at(deadline - MINUTE).beat()
    assert switched.states == {1: "active", 2: "held"}
    assert switched.activate().why == "person"
    assert switched.states == {1: "superseded", 2: "active"}


def test_or_for_its_new_deadline(switched):
    switched.roll_back()
    switched.at(switched.pending.deadline).beat()
    assert switched.states == {1: "superseded", 2: "active"}
    assert Switch.objects.first().why == "deadline"


def test_one_that_lasts_for_two_days_does_not_wait_for_half_of_a_year(running):
    """It would end while it is held, and another would be made, again and again."""
    running.set(interval_days=1, overlap_days=1)
    running.after(HOUR).generate(at_once=True)
    held = running.generation(2)
    running.after(HOUR).roll_back()
    assert running.pending.deadline <= held.planned < held.end < running.active.end - 300 * DAY
    running.until(running.pending.deadline, every=HOUR)
    assert running.states[2] == "active"


def test_one_that_was_to_be_replaced_by_now_still_has_its_time(running):
    running.set(interval_days=2, overlap_days=2)
    running.generate(at_once=True)
    held = running.generation(2)
    running.at(held.planned + HOUR).roll_back()
    assert running.pending.number == 2
    assert running.pending.deadline - running.now >= (held.end - running.now) / 4
    assert running.pending.deadline < held.end


def test_its_deadline_can_be_moved(switched):
    switched.roll_back()
    later = switched.pending.deadline + 2 * DAY
    orders.move_deadline(switched.clock(), later, by="otto")
    switched.at(later - MINUTE).beat()
    assert switched.states == {1: "active", 2: "held"}
    switched.at(later).beat()
    assert switched.states == {1: "superseded", 2: "active"}


def test_once_the_pair_rolled_back_to_has_ended_the_held_one_is_active_at_once(switched):
    switched.roll_back()
    switched.at(END).beat()
    assert switched.states == {1: "superseded", 2: "active"}


def test_nothing_is_due_while_a_pair_is_held(switched):
    switched.roll_back()
    assert switched.situation.due is None
    switched.until(switched.pending.deadline - MINUTE, every=6 * HOUR)
    assert switched.states == {1: "active", 2: "held"}


def test_rolled_back_and_activated_it_can_be_rolled_back_again(switched):
    switched.roll_back()
    switched.activate()
    switched.roll_back()
    assert switched.states == {1: "active", 2: "held"}


def test_two_generations_back_is_not_offered(switched):
    switched.generate(at_once=True)
    switched.roll_back()
    assert switched.states == {1: "superseded", 2: "active", 3: "held"}
    # From the second, the pair that it took over from is still the first.
    switched.roll_back()
    assert switched.states == {1: "active", 2: "held", 3: "discarded"}
    with pytest.raises(StateRefused):
        switched.roll_back()


def test_a_roll_back_that_the_server_refuses_leaves_everything_served_as_it_was(switched):
    switched.refuse_to_reload()
    assert switched.roll_back().outcome == "went_back"
    assert switched.states == {1: "superseded", 2: "active"}
    assert switched.store.current == 2
    switched.reload_again()
    switched.after(MINUTE).beat()
    assert switched.roots_in_bundle() == {1, 2}


def test_a_manual_generation_takes_the_place_of_the_held_one(switched):
    switched.roll_back()
    third = switched.generate()
    assert (third.replaces, third.instead_of) == (1, 2)
    assert switched.states == {1: "active", 2: "discarded", 3: "prepared"}


def test_discarded_after_a_roll_back_it_is_replaced_in_the_next_night(switched):
    switched.roll_back()
    switched.after(8 * HOUR).discard()
    switched.at("2027-07-16 23:59").beat()
    assert switched.states == {1: "active", 2: "discarded"}
    switched.at("2027-07-17 00:00").beat()
    assert switched.states == {1: "active", 2: "discarded", 3: "prepared"}
