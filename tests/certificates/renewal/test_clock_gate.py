"""The table of the clock through whole rounds: what a doubtful clock stops, for how long, and what it never does
(rules clock-gate, last-chance).

The pair of these tests is due on 1 July 2027 at 00:00 UTC and ends on the 31st; half its overlap before that is the last chance.
"""

import dataclasses
from datetime import timedelta

import pytest

from certificates.models import Generation, Switch, Transition
from certificates.renewal import orders
from certificates.renewal.handover import Readiness
from pbxcerts.system.time.clock import ClockState
from tests.support.generations import DAY, HOUR, MINUTE, SECOND, START, a_clock, missing, utc

pytestmark = pytest.mark.simulation

NIGHT = utc("2027-07-01 00:00")
LAST_CHANCE = utc("2027-07-16 00:00")
END = utc("2027-07-31 00:00")

IN_DOUBT = {
    "off": {"state": ClockState.OFF},
    "unanswered": {"state": ClockState.UNANSWERED},
    "wrong": {"offset": 6 * SECOND},
    "far off": {"offset": 13 * HOUR},
    "far off, two servers agree": {"offset": 13 * HOUR, "agreed": True},
}
until_last_chance = pytest.mark.parametrize("doubt", IN_DOUBT.values(), ids=IN_DOUBT)
then_done = pytest.mark.parametrize(
    "doubt",
    [value for name, value in IN_DOUBT.items() if name != "far off"],
    ids=[name for name in IN_DOUBT if name != "far off"],
)


# -- automatic generation ----------------------------------------------------------------------------------------------


def test_right_it_is_done(running):
    running.at(NIGHT).beat(running.clock(ClockState.RIGHT))
    assert running.states == {1: "active", 2: "prepared"}


@until_last_chance
def test_in_doubt_it_waits_until_the_last_chance(running, doubt):
    for night in (NIGHT, NIGHT + 14 * DAY):
        for minutes in (0, 1, 60, 119):
            running.at(night + minutes * MINUTE).beat(running.clock(**doubt))
    running.at(LAST_CHANCE - 20 * SECOND).beat(running.clock(**doubt))
    assert running.states == {1: "active"}


@pytest.mark.parametrize(
    ("doubt", "done"), [(value, name != "far off") for name, value in IN_DOUBT.items()], ids=IN_DOUBT
)
def test_at_the_last_chance_it_is_done_only_far_off_needs_two_servers_that_agree(running, doubt, done):
    # By the machine's clock, which may run behind, the last chance has come as well.
    running.at(LAST_CHANCE + DAY).beat(running.clock(**doubt))
    assert running.states == ({1: "active", 2: "prepared"} if done else {1: "active"})


def test_far_off_without_two_servers_it_is_not_done_even_after_the_end(running):
    running.at(END - HOUR).beat(running.clock(offset=13 * HOUR))
    running.at(END + 2 * DAY).beat(running.clock(offset=13 * HOUR))
    assert running.states == {1: "active"}


@pytest.mark.parametrize("offset", [6 * SECOND, -3 * HOUR, 3 * HOUR, 11 * HOUR])
def test_the_dates_come_from_the_corrected_clock(running, offset):
    running.at(LAST_CHANCE + DAY).beat(running.clock(offset=offset))
    pair = running.generation(2)
    assert pair.made_at == LAST_CHANCE + DAY
    assert pair.not_before == LAST_CHANCE
    assert (pair.clock_state, pair.clock_offset) == ("wrong", offset)


def test_the_night_is_that_of_the_corrected_clock(running):
    """A machine three hours behind: by its own clock it is 21:00 UTC the day before, no time to make anything."""
    running.at(LAST_CHANCE + DAY - 3 * HOUR).beat(running.clock(offset=-3 * HOUR))
    assert running.states == {1: "active"}
    running.at(LAST_CHANCE + DAY).beat(running.clock(offset=3 * HOUR))
    assert running.states == {1: "active", 2: "prepared"}


def test_of_an_unanswered_clock_the_machines_is_all_there_is(running):
    running.at(LAST_CHANCE).beat(running.clock(ClockState.UNANSWERED))
    assert running.generation(2).made_at == LAST_CHANCE
    assert running.generation(2).clock_state == "unanswered"


@then_done
def test_the_last_chance_makes_nothing_due(world, doubt):
    """N = 1, V = 1: such a pair is in its last 48 hours from the start. Its successor waits for its night all the same."""
    world.set(interval_days=1, overlap_days=1)
    world.generate()
    for hours in range(1, 24):
        world.at(START + hours * HOUR).beat(world.clock(**doubt))
    assert world.states == {1: "active"}


@pytest.mark.parametrize("offset", [11 * HOUR, -11 * HOUR])
@pytest.mark.parametrize("overlap", [0, 1])
def test_a_clock_whose_error_is_known_costs_no_call_even_without_overlap(world, overlap, offset):
    """Such a pair ends an hour after its successor is due, while a machine that is 11 hours behind is still at the day before."""
    world.set(interval_days=1, overlap_days=overlap)
    world.generate()
    end = world.active.end
    while world.now < end:
        world.after(HOUR).beat(world.clock(offset=offset))
    assert world.generation(2).made_at == START + DAY
    assert world.active.number == 2
    assert world.active.end > end


def test_what_was_suspended_is_made_in_the_next_night_with_a_right_clock(running):
    running.at(NIGHT).beat(running.clock(ClockState.OFF))
    running.at(NIGHT + 10 * HOUR).beat()
    assert running.states == {1: "active"}
    running.at(NIGHT + DAY).beat()
    assert running.states == {1: "active", 2: "prepared"}


# -- deadlines and ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [10 * MINUTE, -10 * MINUTE])
def test_a_deadline_has_passed_only_by_both_clocks(handing_over, offset):
    by_both = LAST_CHANCE + max(offset, timedelta())
    for at in (by_both - 10 * MINUTE, by_both - MINUTE):
        clock = handing_over.at(at).clock(offset=offset)
        assert max(clock.machine, clock.corrected) >= LAST_CHANCE
        handing_over.beat(clock)
        assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(by_both).beat(handing_over.clock(offset=offset))
    assert handing_over.states == {1: "superseded", 2: "active"}


@pytest.mark.parametrize("agreed", [False, True])
def test_in_the_last_day_two_servers_that_agree_decide_alone(handing_over, agreed):
    """A machine that stands 20 days behind would let the pair end."""
    clock = handing_over.at(END - DAY).clock(offset=20 * DAY, agreed=agreed)
    assert clock.machine < LAST_CHANCE
    handing_over.beat(clock)
    assert handing_over.states == ({1: "superseded", 2: "active"} if agreed else {1: "active", 2: "prepared"})


def test_before_the_last_day_they_do_not(handing_over):
    handing_over.at(END - DAY - MINUTE).beat(handing_over.clock(offset=20 * DAY, agreed=True))
    assert handing_over.states == {1: "active", 2: "prepared"}


def test_what_has_ended_by_them_is_not_gone_back_to(handing_over):
    """By the machine's clock it would still be valid for weeks."""
    handing_over.refuse_to_reload()
    handing_over.at(END).beat(handing_over.clock(offset=20 * DAY, agreed=True))
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert Switch.objects.first().outcome == "stays"


@pytest.mark.parametrize("agreed", [False, True])
def test_in_the_last_day_they_also_have_a_pair_made(running, agreed):
    running.at(END - HOUR).beat(running.clock(offset=40 * DAY, agreed=agreed))
    assert running.states == ({1: "active", 2: "prepared"} if agreed else {1: "active"})
    if agreed:
        assert running.pending.made_at == END - HOUR


# -- jumps -------------------------------------------------------------------------------------------------------------

JUMPS = {
    "400 days ahead, no server answers": {"jumped": 400 * DAY},
    "400 days back, no server answers": {"jumped": -400 * DAY},
    "400 days ahead, a server answers": {"offset": -400 * DAY},
    "400 days back, a server answers": {"offset": 400 * DAY},
    "400 days ahead, two servers agree": {"offset": -400 * DAY, "agreed": True},
    "400 days back, two servers agree": {"offset": 400 * DAY, "agreed": True},
    "back where nothing is known": {"state": ClockState.UNANSWERED, "jumped": None, "back": True},
}
every_jump = pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)


def jumped_clock(world, jump):
    jump = dict(jump)
    if jump.pop("back", False):
        return a_clock(world.now - 400 * DAY, ClockState.UNANSWERED)
    return world.clock(**jump)


def assert_nothing_happens(world, jump):
    states, transitions = world.states, Transition.objects.count()
    roots, keys = world.roots_in_bundle(), set(world.store.path.rglob("*.key"))
    for _ in range(3):
        assert not world.after(MINUTE).beat(jumped_clock(world, jump)).did
    assert world.states == states
    assert Transition.objects.count() == transitions
    assert world.roots_in_bundle() == roots
    assert set(world.store.path.rglob("*.key")) == keys
    assert not Generation.objects.filter(key_deleted_at__isnull=False).exists()


@every_jump
def test_a_jump_generates_nothing(running, jump):
    assert_nothing_happens(running.at(START + 100 * DAY), jump)


@every_jump
def test_a_jump_neither_switches_nor_discards(handing_over, jump):
    assert_nothing_happens(handing_over.after(HOUR), jump)


@every_jump
def test_a_jump_drops_no_pair_from_the_bundle_and_no_key(handing_over, jump):
    handing_over.at(LAST_CHANCE).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert_nothing_happens(handing_over, jump)


@every_jump
def test_a_jump_does_not_activate_what_was_rolled_back(handing_over, jump):
    handing_over.at(LAST_CHANCE).beat()
    handing_over.roll_back()
    assert_nothing_happens(handing_over, jump)


@pytest.mark.parametrize("jump", [v for k, v in JUMPS.items() if "back where" not in k])
def test_a_jump_does_not_bring_the_next_try_of_a_failed_switch_nearer(handing_over, jump):
    handing_over.refuse_to_reload()
    for _ in range(4):
        handing_over.activate()
    assert handing_over.pending.switch_failures == 4
    assert_nothing_happens(handing_over, jump)


def test_what_fails_while_the_clock_is_ahead_is_tried_again_when_it_is_right(handing_over):
    handing_over.refuse_to_reload()
    handing_over.activate()
    Generation.objects.filter(number=2).update(switch_failed_at=handing_over.now + 400 * DAY)
    handing_over.reload_again()
    handing_over.after(HOUR).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_buttons_work_after_a_jump(handing_over):
    clock = handing_over.after(HOUR).clock(jumped=-400 * DAY)
    orders.activate(clock, by="otto")
    handing_over.beat(clock)
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert handing_over.active.activated_at == handing_over.now


def test_a_real_end_is_seen_after_the_clock_was_far_off(running):
    """The negative control: what a wrong clock does not do, a right one does."""
    running.at(START + 400 * DAY).beat()
    assert running.states == {1: "superseded", 2: "active"}


# -- a clock that was set by hand while nobody could be asked (rules clock-accepted, dates-by-both) -----------------------


def set_ahead(world, by, state=ClockState.OFF):
    """The machine's clock was set by hand, and the time known before counts; which of the two is right nobody knows."""
    return dataclasses.replace(world.clock(jumped=by), state=state)


@pytest.mark.parametrize("state", [ClockState.OFF, ClockState.UNANSWERED])
def test_a_person_makes_no_pair_that_has_ended_by_the_machines_clock(running, state):
    with pytest.raises(orders.ClockRefused, match="abgelaufen"):
        running.generate(clock=set_ahead(running, 400 * DAY, state), without_clock=True, reason="moved")
    assert running.states == {1: "active"}


def test_one_that_ends_after_both_times_is_made(running):
    running.generate(clock=set_ahead(running, 300 * DAY), without_clock=True)
    assert running.states == {1: "active", 2: "prepared"}
    assert running.pending.made_at == START


def test_not_even_at_the_last_chance_is_one_made_by_itself(running):
    running.at(END - HOUR).beat(set_ahead(running, 400 * DAY))
    assert running.states == {1: "active"}
    running.beat(set_ahead(running, 300 * DAY))
    assert running.states == {1: "active", 2: "prepared"}


def test_nor_in_the_place_of_a_withdrawn_one(running):
    clock = set_ahead(running, 400 * DAY)
    orders.withdraw(clock, 1, by="anna")
    running.beat(clock)
    assert running.states == {1: "active"}
    running.after(MINUTE).beat()
    assert running.states == {1: "withdrawn", 2: "active"}


def test_nor_where_a_server_said_between_the_order_and_the_making_that_it_is_400_days_earlier(running):
    orders.order_generation(running.clock(), orders.GenerationOrder(Generation.Trigger.PAGE))
    running.beat(a_clock(START, offset=-400 * DAY))
    assert running.states == {1: "active", 2: "failed"}
    assert running.generation(2).failure == "ValidityError"


def test_two_servers_that_agree_say_which_of_the_two_is_wrong(running):
    running.at(END - HOUR).beat(running.clock(offset=-400 * DAY, agreed=True))
    assert running.states == {1: "active", 2: "prepared"}


# -- one server within 12 hours, in the last day of the active pair (rule has-passed) ----------------------------------------


@pytest.mark.parametrize("overlap", [1, 2])
def test_one_server_within_12_hours_suffices_to_switch_before_the_active_pair_ends(world, overlap):
    """A machine 11 hours behind: by its own clock the deadline of a short overlap comes after the end."""
    world.set(interval_days=2, overlap_days=overlap)
    world.generate()
    end = world.active.end
    while world.now < end:
        world.after(HOUR).beat(world.clock(offset=11 * HOUR))
    assert world.active.number == 2
    switch = Switch.objects.get(to=2)
    assert (switch.why, switch.switched_at <= max(world.generation(2).made_at + overlap * DAY / 2, end - DAY)) == (
        "deadline",
        True,
    )


def test_at_the_end_itself_it_suffices_too(handing_over):
    """Where the handover is not at its deadline: moved, or held."""
    Generation.objects.filter(number=2).update(deadline=END + DAY)
    handing_over.at(END - MINUTE).beat(handing_over.clock(offset=11 * HOUR))
    assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(END).beat(handing_over.clock(offset=11 * HOUR))
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_what_holds_the_deadline_holds_it_until_24_hours_before_the_end_by_that_server(handing_over):
    handing_over.telephones.ready = Readiness(counting=1, **missing("gate"), rollout_stopped=True)
    handing_over.at(END - DAY - MINUTE).beat(handing_over.clock(offset=11 * HOUR))
    assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(END - DAY).beat(handing_over.clock(offset=11 * HOUR))
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_not_before_the_last_day(handing_over):
    handing_over.at(LAST_CHANCE + HOUR).beat(handing_over.clock(offset=11 * HOUR))
    assert handing_over.states == {1: "active", 2: "prepared"}


@pytest.mark.parametrize("clock", [{"offset": 13 * HOUR}, {"state": ClockState.UNANSWERED, "offset": 11 * HOUR}])
def test_not_one_that_is_further_off_or_does_not_count(handing_over, clock):
    Generation.objects.filter(number=2).update(deadline=END)
    handing_over.at(END).beat(handing_over.clock(**clock))
    assert handing_over.states == {1: "active", 2: "prepared"}


def test_it_deletes_no_key_and_drops_no_pair_from_the_bundle(handing_over):
    handing_over.at(END - HOUR).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    handing_over.at(END).beat(handing_over.clock(offset=11 * HOUR))
    assert handing_over.generation(1).host_key is not None
