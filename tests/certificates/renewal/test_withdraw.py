"""A key has leaked: the pair goes, and no call with it (rule withdraw)."""

import pytest

from certificates.models import Generation, Switch, Transition
from certificates.pki.errors import PairError
from certificates.renewal import making, orders
from certificates.renewal.orders import ClockRefused, StateRefused
from pbxcerts.system.time.clock import ClockState
from tests.support.generations import DAY, HOUR, MINUTE, START, Trigger, a_clock


def break_making(monkeypatch):
    def refuse(**options):
        raise PairError("no")

    # Nothing that an administrator can enter makes the pure core fail, so its failure is put in its place.
    monkeypatch.setattr(making, "make_pair", refuse)


def test_the_active_pair_stays_served_until_a_new_one_is(running):
    orders.withdraw(running.clock(), 1, by="anna", reason="leaked")
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


def test_a_prepared_pair_takes_over_at_once(prepared):
    prepared.withdraw(1)
    assert prepared.states == {1: "withdrawn", 2: "active"}
    assert prepared.roots_in_bundle() == {2}
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


def test_a_switch_that_a_wrong_clock_has_refused_is_made_up_for(prepared):
    orders.withdraw(prepared.clock(), 1, by="anna")
    prepared.beat(SET_BACK)
    assert prepared.states == {1: "active", 2: "prepared"}
    assert Switch.objects.first().outcome == "refused"
    prepared.after(MINUTE).beat()
    assert prepared.states == {1: "withdrawn", 2: "active"}
    assert Switch.objects.first().why == "withdrawal"


@pytest.mark.parametrize("number", [1, 2])
def test_by_a_clock_that_was_set_back_nothing_is_made_in_its_place(running, number):
    if number == 2:
        running.generate()
    orders.withdraw(SET_BACK, number, by="anna")
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
        orders.withdraw(clock, 1, by="anna")
        running.beat(clock)
    running.after(10 * MINUTE).beat(running.clock(state))
    assert running.active.number == 3


def test_nothing_goes_back_to_it(prepared):
    prepared.refuse_to_reload()
    prepared.withdraw(1)
    assert prepared.states == {1: "withdrawn", 2: "active"}
    assert Switch.objects.first().outcome == "stays"
    with pytest.raises(StateRefused):
        prepared.roll_back()


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


def test_a_withdrawn_prepared_pair_leaves_the_bundle_and_is_replaced_with_handover(prepared):
    prepared.withdraw(2)
    assert prepared.states == {1: "active", 2: "withdrawn", 3: "prepared"}
    assert prepared.roots_in_bundle() == {1, 3}
    assert prepared.pending.trigger == "withdrawal"
    assert prepared.pending.deadline > prepared.now + 10 * DAY


def test_a_withdrawn_held_pair_is_replaced_with_handover(running):
    running.generate(at_once=True)
    running.roll_back()
    running.withdraw(2)
    assert running.states == {1: "active", 2: "withdrawn", 3: "prepared"}


def test_a_replacement_that_is_discarded_waits_for_the_night(prepared):
    prepared.withdraw(2)
    prepared.after(HOUR).discard()
    prepared.after(HOUR).beat()
    assert prepared.states == {1: "active", 2: "withdrawn", 3: "discarded"}


def test_a_withdrawn_superseded_pair_just_leaves_the_bundle(running):
    running.generate(at_once=True)
    assert running.roots_in_bundle() == {1, 2}
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}
    assert running.roots_in_bundle() == {2}
    with pytest.raises(StateRefused):
        running.roll_back()


def test_a_withdrawn_discarded_pair_changes_nothing_else(prepared):
    prepared.discard()
    prepared.withdraw(2)
    prepared.until(prepared.now + HOUR, every=10 * MINUTE)
    assert prepared.states == {1: "active", 2: "withdrawn"}


def test_while_one_is_being_made_for_its_place_that_one_fails_and_another_follows(prepared):
    orders.order_generation(prepared.clock(), orders.GenerationOrder(Trigger.PAGE))  # instead of 2
    prepared.withdraw(2)
    assert prepared.states == {1: "active", 2: "withdrawn", 3: "failed", 4: "prepared"}


def test_withdrawn_while_its_successor_is_being_made_the_successor_is_active_at_once(running):
    orders.order_generation(running.clock(), orders.GenerationOrder(Trigger.PAGE))
    running.withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}


def test_it_goes_even_where_no_new_one_can_be_made_now(prepared):
    prepared.set(fqdn="", ip_addresses=[])
    prepared.withdraw(2)
    assert prepared.states == {1: "active", 2: "withdrawn"}
    assert prepared.roots_in_bundle() == {1}
    prepared.set(fqdn="pbx.example.com")
    prepared.after(MINUTE).beat()
    assert prepared.states == {1: "active", 2: "withdrawn", 3: "prepared"}


def test_rolled_back_from_a_withdrawn_pair_it_is_not_held(running):
    running.generate(at_once=True)
    orders.withdraw(running.clock(), 2, by="anna")
    orders.roll_back(running.clock(), by="anna")
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


def test_it_is_refused_in_the_middle_of_a_switch(prepared):
    orders.activate(prepared.clock(), by="otto")
    with pytest.raises(StateRefused):
        orders.withdraw(prepared.clock(), 1, by="anna")
    assert prepared.generation(1).withdrawn_at is None


# -- by a clock that one server alone calls far off (rules clock-gate, withdraw) ------------------------------------------

FAR = 400 * DAY


def liar(world, **known):
    """A server says that it is 400 days later, and no other one agrees; it is wrong."""
    return a_clock(world.now, offset=FAR, **known)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("said", [{}, {"without_clock": True}, {"without_clock": True, "reason": " "}, {"reason": "x"}])
def test_a_new_pair_needs_a_tick_and_a_reason(running, number, said):
    if number == 2:
        running.generate()
    before = running.states
    with pytest.raises(ClockRefused):
        orders.withdraw(liar(running), number, by="anna", **said)
    assert running.states == before
    assert running.generation(number).withdrawn_at is None
    running.beat(liar(running))
    assert running.states == before


def test_with_both_it_is_made_and_the_confirmation_recorded(running):
    clock = liar(running)
    orders.withdraw(clock, 1, by="anna", reason="leaked, and the server is right", without_clock=True)
    running.beat(clock)
    assert running.generation(2).clock_override == "leaked, and the server is right"
    assert running.states == {1: "withdrawn", 2: "active"}


def test_the_confirmation_holds_for_the_tries_that_follow(running, monkeypatch):
    with monkeypatch.context() as broken:
        break_making(broken)
        orders.withdraw(liar(running), 1, by="anna", reason="leaked", without_clock=True)
        running.beat(liar(running))
    assert running.states == {1: "active", 2: "failed"}
    running.after(10 * MINUTE).beat(liar(running))
    assert running.states == {1: "withdrawn", 2: "failed", 3: "active"}
    assert running.generation(3).clock_override == "leaked"


@pytest.mark.parametrize("number", [1, 2])
def test_what_was_ordered_by_a_right_clock_is_not_made_up_for_by_such_a_one(running, monkeypatch, number):
    """Every telephone would refuse the new pair until the server's lie comes true."""
    if number == 2:
        running.generate()
    with monkeypatch.context() as broken:
        break_making(broken)
        running.withdraw(number)
    states = running.states
    for _ in range(6):
        running.after(5 * MINUTE).beat(liar(running))
    assert running.states == states
    running.after(MINUTE).beat()
    assert running.states[max(running.states)] == ("active" if number == 1 else "prepared")


def test_nor_is_one_made_that_waits_for_the_worker(running):
    orders.withdraw(running.clock(), 1, by="anna")
    assert running.states == {1: "active", 2: "making"}
    running.beat(liar(running))
    assert running.states == {1: "active", 2: "failed"}
    running.after(10 * MINUTE).beat()
    assert running.states == {1: "withdrawn", 2: "failed", 3: "active"}


def test_nor_is_a_generation_that_a_person_ordered_by_a_right_clock(running):
    orders.order_generation(running.clock(), orders.GenerationOrder(Trigger.PAGE))
    running.beat(liar(running))
    assert running.states == {1: "active", 2: "failed"}


def test_two_servers_that_agree_need_no_tick(running):
    clock = running.clock(offset=FAR, agreed=True)
    orders.withdraw(clock, 1, by="anna")
    running.beat(clock)
    assert running.states == {1: "withdrawn", 2: "active"}


@pytest.mark.parametrize("number", [1, 2])
def test_where_no_pair_is_to_be_made_no_tick_is_needed(running, number):
    """A superseded pair just leaves the bundle, and the place of an active one takes the prepared one."""
    running.generate(at_once=number == 1)
    orders.withdraw(liar(running), 1, by="anna")
    running.beat(liar(running))
    assert running.states == {1: "withdrawn", 2: "active"}


def test_the_clock_is_asked_before_the_replacement_is_tried_again(running, monkeypatch):
    with monkeypatch.context() as broken:
        break_making(broken)
        running.withdraw(1)
    running.after(10 * MINUTE).beat(ask_clock=lambda: liar(running))
    assert running.states == {1: "active", 2: "failed"}
