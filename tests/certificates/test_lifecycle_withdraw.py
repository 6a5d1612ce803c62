"""A key has leaked: the pair goes, and no call with it."""

import pytest

from certificates import lifecycle, making
from certificates.lifecycle import StateRefused
from certificates.models import Generation, Switch, Transition
from certificates.pki.errors import PairError
from pbxcerts.system.clock import ClockState
from tests.support.generations import DAY, HOUR, MINUTE, START, Trigger, a_clock


def break_making(monkeypatch):
    def refuse(**options):
        raise PairError("no")

    # Nothing that an administrator can enter makes the pure core fail, so its failure is put in its place.
    monkeypatch.setattr(making, "make_pair", refuse)


def test_the_active_pair_stays_served_until_a_new_one_is(running):
    lifecycle.withdraw(running.clock(), 1, by="anna", reason="leaked")
    assert running.states == {1: "active", 2: "making"}
    assert running.store.current == 1
    running.beat()
    assert running.states == {1: "withdrawn", 2: "active"}
    assert running.store.current == 2
    assert running.roots_in_bundle() == {2}
    second = running.generation(2)
    assert (second.trigger, second.by, second.reason, second.at_once) == ("withdrawal", "anna", "leaked", True)


def test_the_withdrawal_itself_is_recorded(running):
    running.withdraw(1)
    told = Transition.objects.filter(generation=1, why="withdrawn").get()
    assert (told.by, told.reason, told.from_state, told.to_state) == ("anna", "leaked", "active", "active")
    assert running.generation(1).withdrawn_at == START


def test_a_prepared_pair_takes_over_at_once(running):
    running.generate()
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}
    assert running.roots_in_bundle() == {2}
    assert Switch.objects.first().why == "withdrawal"


def test_a_held_pair_takes_over_at_once(running):
    running.generate(at_once=True)
    running.roll_back()
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}


def test_a_prepared_pair_that_is_not_valid_now_does_not(running):
    running.at(START + 300 * DAY).generate()
    running.at(START + 250 * DAY)
    assert not running.situation.is_valid(running.pending)
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "discarded", 3: "active"}


SET_BACK = a_clock(START - 400 * DAY, ClockState.UNANSWERED)


def test_a_switch_that_a_wrong_clock_has_refused_is_made_up_for(running):
    running.generate()
    lifecycle.withdraw(running.clock(), 1, by="anna")
    running.beat(SET_BACK)
    assert running.states == {1: "active", 2: "prepared"}
    assert Switch.objects.first().outcome == "refused"
    running.after(MINUTE).beat()
    assert running.states == {1: "withdrawn", 2: "active"}
    assert Switch.objects.first().why == "withdrawal"


@pytest.mark.parametrize("number", [1, 2])
def test_by_a_clock_that_was_set_back_nothing_is_made_in_its_place(running, number):
    if number == 2:
        running.generate()
    lifecycle.withdraw(SET_BACK, number, by="anna")
    running.beat(SET_BACK)
    assert "making" not in running.states.values()
    assert running.active.number == 1
    running.after(MINUTE).beat()
    assert running.states == (
        {1: "withdrawn", 2: "active"} if number == 1 else {1: "active", 2: "withdrawn", 3: "prepared"}
    )


@pytest.mark.parametrize("state", [ClockState.OFF, ClockState.UNANSWERED])
def test_a_clock_that_nobody_confirms_does_not_stand_against_it(running, monkeypatch, state):
    clock = running.clock(state)
    with monkeypatch.context() as broken:
        break_making(broken)
        lifecycle.withdraw(clock, 1, by="anna")
        running.beat(clock)
    running.after(10 * MINUTE).beat(running.clock(state))
    assert running.active.number == 3


def test_nothing_goes_back_to_it(running):
    running.generate()
    running.refuse_to_reload()
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}
    assert Switch.objects.first().outcome == "stays"
    with pytest.raises(StateRefused):
        running.roll_back()


@pytest.mark.parametrize("pairs", [1, 2])
def test_where_the_new_one_fails_it_is_tried_every_10_minutes(running, monkeypatch, pairs):
    number = 1
    if pairs == 2:
        running.generate()
        number = 2
    with monkeypatch.context() as broken:
        break_making(broken)
        running.withdraw(number)
        began = running.now
        running.until(began + 35 * MINUTE)
        failed = Generation.objects.filter(state="failed").order_by("number")
        assert [(row.failed_at - began) // MINUTE for row in failed] == [0, 10, 20, 30]
        assert running.active.number == 1
        assert running.store.current == 1
    running.until(began + 40 * MINUTE)
    assert running.states[max(running.states)] == ("active" if pairs == 1 else "prepared")


def test_a_withdrawn_prepared_pair_leaves_the_bundle_and_is_replaced_with_handover(running):
    running.generate()
    running.withdraw(2)
    assert running.states == {1: "active", 2: "withdrawn", 3: "prepared"}
    assert running.roots_in_bundle() == {1, 3}
    assert running.pending.trigger == "withdrawal"
    assert running.pending.deadline > running.now + 10 * DAY


def test_a_withdrawn_held_pair_is_replaced_with_handover(running):
    running.generate(at_once=True)
    running.roll_back()
    running.withdraw(2)
    assert running.states == {1: "active", 2: "withdrawn", 3: "prepared"}


def test_a_replacement_that_is_discarded_waits_for_the_night(running):
    running.generate()
    running.withdraw(2)
    running.after(HOUR).discard()
    running.after(HOUR).beat()
    assert running.states == {1: "active", 2: "withdrawn", 3: "discarded"}


def test_a_withdrawn_superseded_pair_just_leaves_the_bundle(running):
    running.generate(at_once=True)
    assert running.roots_in_bundle() == {1, 2}
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}
    assert running.roots_in_bundle() == {2}
    with pytest.raises(StateRefused):
        running.roll_back()


def test_a_withdrawn_discarded_pair_changes_nothing_else(running):
    running.generate()
    running.discard()
    running.withdraw(2)
    running.until(running.now + HOUR)
    assert running.states == {1: "active", 2: "withdrawn"}


def test_while_one_is_being_made_for_its_place_that_one_fails_and_another_follows(running):
    running.generate()
    lifecycle.order_generation(running.clock(), trigger=Trigger.PAGE)  # instead of 2
    running.withdraw(2)
    assert running.states == {1: "active", 2: "withdrawn", 3: "failed", 4: "prepared"}


def test_withdrawn_while_its_successor_is_being_made_the_successor_is_active_at_once(running):
    lifecycle.order_generation(running.clock(), trigger=Trigger.PAGE)
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}


def test_it_goes_even_where_no_new_one_can_be_made_now(running):
    running.generate()
    running.set(fqdn="", ip_addresses=[])
    running.withdraw(2)
    assert running.states == {1: "active", 2: "withdrawn"}
    assert running.roots_in_bundle() == {1}
    running.set(fqdn="pbx.example.com")
    running.after(MINUTE).beat()
    assert running.states == {1: "active", 2: "withdrawn", 3: "prepared"}


def test_rolled_back_from_a_withdrawn_pair_it_is_not_held(running):
    running.generate(at_once=True)
    lifecycle.withdraw(running.clock(), 2, by="anna")
    lifecycle.roll_back(running.clock(), by="anna")
    running.beat()
    assert running.generation(2).state == "withdrawn"
    assert running.active.number == 1
    assert 2 not in running.roots_in_bundle()


@pytest.mark.parametrize("number", [2, 3, 99])
def test_what_is_no_pair_or_already_withdrawn_is_refused(running, monkeypatch, number):
    with monkeypatch.context() as broken:
        break_making(broken)
        running.generate()
    assert running.states == {1: "active", 2: "failed"}
    running.generate()
    if number == 3:
        running.withdraw(3)
    with pytest.raises(StateRefused):
        running.withdraw(number)


def test_it_is_refused_in_the_middle_of_a_switch(running):
    running.generate()
    lifecycle.activate(running.clock(), by="otto")
    with pytest.raises(StateRefused):
        lifecycle.withdraw(running.clock(), 1, by="anna")
    assert running.generation(1).withdrawn_at is None
