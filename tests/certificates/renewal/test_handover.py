"""From prepared to active: terminals first, the server last; and what a person can do in between."""

from datetime import timedelta

import pytest

from certificates.models import Generation, Switch, Transition
from certificates.renewal import orders
from certificates.renewal.handover import Readiness
from certificates.renewal.orders import StateRefused
from tests.support.generations import DAY, HOUR, MINUTE, SECOND, START, Trigger, missing, utc

NIGHT = utc("2027-07-01 00:00")
DEADLINE = utc("2027-07-16 00:00")
END = utc("2027-07-31 00:00")
"""The end of the first pair, exclusive."""


def why(world):
    return Switch.objects.first().why


# -- what the switch waits for -----------------------------------------------------------------------------------------


def test_both_roots_are_in_the_bundle_before_the_server_presents_the_new_certificate(handing_over):
    assert handing_over.store.current == 1
    assert handing_over.store.target("next") == "generations/0002"
    assert handing_over.roots_in_bundle() == {1, 2}


def test_it_switches_when_every_terminal_that_counts_has_confirmed(handing_over):
    handing_over.telephones.ready = Readiness(counting=3, **missing("reception"))
    handing_over.after(MINUTE).beat()
    assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.telephones.ready = Readiness(counting=3)
    handing_over.after(MINUTE).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert why(handing_over) == "confirmed"
    assert handing_over.store.current == 2
    assert handing_over.store.target("next") == ""


@pytest.mark.parametrize("telephones", [Readiness(), Readiness(counting=3, **missing("reception"))])
def test_otherwise_it_waits_for_the_deadline_also_where_no_terminal_is_known(handing_over, telephones):
    handing_over.telephones.ready = telephones
    handing_over.at(DEADLINE - MINUTE).beat()
    assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(DEADLINE).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert why(handing_over) == "deadline"


def test_no_terminals_at_all_are_not_everybody():
    assert not Readiness().complete


@pytest.mark.parametrize(
    "telephones",
    [
        Readiness(counting=3, **missing("reception"), rollout_stopped=True),
        Readiness(counting=3, **missing("reception"), seen=lambda: 1),
    ],
)
def test_a_stopped_rollout_or_a_terminal_that_was_seen_holds_the_deadline_until_24_hours_before_the_end(
    handing_over, telephones
):
    handing_over.telephones.ready = telephones
    for moment in (DEADLINE, DEADLINE + 7 * DAY, END - DAY - MINUTE):
        handing_over.at(moment).beat()
        assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(END - DAY).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert why(handing_over) == "deadline"


def test_a_deadline_that_was_held_is_kept_as_soon_as_nothing_holds_it(handing_over):
    handing_over.telephones.ready = Readiness(counting=3, **missing("reception"), rollout_stopped=True)
    handing_over.at(DEADLINE).beat()
    handing_over.telephones.ready = Readiness(counting=3, **missing("reception"))
    handing_over.after(MINUTE).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_where_nobody_counts_any_more_it_switches_now(handing_over):
    handing_over.set(handover_counts="nobody")
    handing_over.after(MINUTE).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_the_deadline_of_a_manual_generation_is_half_the_overlap_ahead(running):
    running.at(START + 10 * HOUR)
    assert running.generate().deadline == utc("2026-07-16 00:00")


def test_a_manual_generation_shortly_before_the_end_waits_half_of_what_is_left(running):
    running.at(NIGHT).beat()
    running.at(END - 2 * HOUR)
    assert running.generate().deadline == END - HOUR


def test_once_the_active_pair_has_ended_the_prepared_one_is_active_and_stays(handing_over):
    handing_over.telephones.ready = Readiness(counting=3, **missing("reception"), rollout_stopped=True)
    handing_over.refuse_to_reload()
    handing_over.at(END).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert Switch.objects.first().outcome == "stays"
    assert why(handing_over) == "ended"


def test_a_prepared_pair_that_has_ended_is_discarded_and_a_new_one_made_at_once(handing_over):
    handing_over.at(handing_over.pending.end).beat()
    assert handing_over.states == {1: "superseded", 2: "discarded", 3: "active"}


def test_a_second_look_changes_nothing(handing_over):
    assert not handing_over.beat().did
    before = Transition.objects.count()
    for _ in range(3):
        assert not handing_over.after(MINUTE).beat().did
    assert Transition.objects.count() == before


# -- the pair served before --------------------------------------------------------------------------------------------


def test_the_pair_served_before_stays_in_the_bundle_while_it_is_valid(handing_over):
    handing_over.at(DEADLINE).beat()
    handing_over.at(END - MINUTE).beat()
    assert handing_over.roots_in_bundle() == {1, 2}
    handing_over.at(END).beat()
    assert handing_over.roots_in_bundle() == {2}


def test_but_one_overlap_at_most(running):
    running.generate(at_once=True)
    assert running.generation(1).end == END
    running.at(START + 30 * DAY - MINUTE).beat()
    assert running.roots_in_bundle() == {1, 2}
    running.at(START + 30 * DAY).beat()
    assert running.roots_in_bundle() == {2}
    assert running.states == {1: "superseded", 2: "active"}


# -- by a person -------------------------------------------------------------------------------------------------------


def test_a_person_activates_at_any_time(handing_over):
    handing_over.telephones.ready = Readiness(counting=3, **missing("reception"), rollout_stopped=True)
    switch = handing_over.activate()
    assert (switch.why, switch.by, switch.outcome) == ("person", "otto", "not_verified")
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert Transition.objects.filter(generation=2, to_state="active", by="otto").exists()


def test_nothing_is_activated_where_nothing_is_prepared_or_it_is_not_valid(running):
    with pytest.raises(StateRefused):
        running.activate()
    running.generate()
    with pytest.raises(StateRefused):
        running.at(START - 2 * DAY).activate()
    assert running.states == {1: "active", 2: "prepared"}


def test_who_presses_second_is_told(handing_over):
    orders.activate(handing_over.clock(), by="otto")
    with pytest.raises(StateRefused):
        orders.activate(handing_over.clock(), by="anna")
    handing_over.beat()
    assert Switch.objects.filter(why="person").count() == 1


def test_the_deadline_is_moved_within_its_limits_and_kept(handing_over):
    move = orders.move_deadline
    for refused in (handing_over.now, handing_over.now - HOUR, END - DAY + timedelta(seconds=1), END):
        with pytest.raises(StateRefused):
            move(handing_over.clock(), refused, by="otto")
    assert handing_over.pending.deadline == DEADLINE

    moved = move(handing_over.clock(), END - DAY, by="otto")
    assert moved.deadline == handing_over.pending.deadline == END - DAY
    change = Transition.objects.last()
    assert (change.from_state, change.to_state, change.by, change.why) == (
        "prepared",
        "prepared",
        "otto",
        "deadline_moved",
    )
    handing_over.at(DEADLINE).beat()
    assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(END - DAY).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_the_deadline_is_moved_forward_too(handing_over):
    orders.move_deadline(handing_over.clock(), NIGHT + 8 * HOUR, by="otto")
    handing_over.at(NIGHT + 8 * HOUR).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_the_deadline_never_lies_past_the_prepared_pairs_own_planned_time(running):
    running.set(interval_days=20, overlap_days=10)
    planned = running.generate().planned
    assert planned < END - DAY
    with pytest.raises(StateRefused):
        orders.move_deadline(running.clock(), planned + MINUTE, by="otto")
    assert orders.move_deadline(running.clock(), planned, by="otto").deadline == planned


@pytest.mark.parametrize("holding", [{"rollout_stopped": True}, {"seen": lambda: 1}])
def test_what_holds_the_deadline_never_holds_it_past_the_prepared_pairs_own_planned_time(running, holding):
    """The active pair lasts for a year, its successor for two days: it would be made and discarded again and again."""
    running.at(START + 10 * DAY + HOUR).set(interval_days=1, overlap_days=1)
    running.telephones.ready = Readiness(counting=1, **missing("reception"), **holding)
    running.at(START + 11 * DAY).beat()
    second = running.pending
    assert second.planned == START + 12 * DAY < second.end < running.active.end - 300 * DAY
    running.at(second.deadline + HOUR).beat()
    assert running.states == {1: "active", 2: "prepared"}
    running.until(second.planned, every=HOUR)
    running.until(START + 20 * DAY, every=6 * HOUR)
    assert not Generation.objects.filter(state="discarded").exists()
    switch = Switch.objects.get(to=2)
    assert (switch.why, switch.switched_at) == ("deadline", second.planned)


def test_in_the_last_day_no_deadline_is_moved(handing_over):
    handing_over.telephones.ready = Readiness(counting=3, **missing("reception"), rollout_stopped=True)
    handing_over.at(END - DAY)
    with pytest.raises(StateRefused) as refused:
        orders.move_deadline(handing_over.clock(), END - HOUR, by="otto")
    assert "2027" not in str(refused.value)  # it offers no time that has passed


def test_a_switch_that_failed_has_no_deadline_to_move(handing_over):
    fail_to_switch(handing_over)
    with pytest.raises(StateRefused):
        orders.move_deadline(handing_over.clock(), DEADLINE + DAY, by="otto")


def test_a_discarded_pair_leaves_the_bundle_and_is_replaced_in_the_next_night(handing_over):
    assert handing_over.at(NIGHT + 10 * HOUR).discard().state == "discarded"
    assert handing_over.roots_in_bundle() == {1}
    assert handing_over.store.target("next") == ""
    handing_over.at(NIGHT + DAY - MINUTE).beat()
    assert 3 not in handing_over.states
    handing_over.at(NIGHT + DAY).beat()
    assert handing_over.states == {1: "active", 2: "discarded", 3: "prepared"}


def test_discarding_is_refused_where_no_night_comes_before_the_last_hours(handing_over):
    """The last hours are 24 here: half the overlap, at most 24 hours, before the end at 00:00 UTC."""
    orders.move_deadline(handing_over.clock(), END - DAY, by="otto")
    last_night = END - 2 * DAY
    assert handing_over.at(last_night - MINUTE).discard().state == "discarded"
    handing_over.at(last_night).beat()
    orders.move_deadline(handing_over.clock(), END - DAY, by="otto")
    with pytest.raises(StateRefused):
        handing_over.at(last_night + MINUTE).discard()
    assert handing_over.pending.number == 3


def test_nothing_is_discarded_twice_or_where_nothing_waits(handing_over):
    handing_over.after(HOUR).discard()
    with pytest.raises(StateRefused):
        handing_over.discard()
    assert handing_over.states == {1: "active", 2: "discarded"}


# -- a switch that fails -----------------------------------------------------------------------------------------------


def fail_to_switch(world):
    world.refuse_to_reload()
    assert world.activate().outcome == "went_back"
    assert world.states == {1: "active", 2: "held"}


def test_a_failed_switch_goes_back_and_holds_the_new_pair(handing_over):
    fail_to_switch(handing_over)
    assert handing_over.pending.held_because == "switch_failed"
    assert handing_over.store.current == 1
    assert handing_over.store.target("next") == "generations/0002"
    assert handing_over.roots_in_bundle() == {1, 2}


def tries(world, since):
    ordered = Switch.objects.filter(ordered_at__gte=since).order_by("pk").values_list("ordered_at", flat=True)
    return [(at - since) // MINUTE for at in ordered]


def test_it_is_tried_again_after_1_10_60_minutes_then_each_night_and_every_hour_in_the_last_day(handing_over):
    began = handing_over.now
    fail_to_switch(handing_over)
    # The pause counts from the end of a try, so the heartbeat at the very minute comes a moment too early.
    for minute in (0, 1, 2, 6, 11, 12, 13, 23, 42, 72, 73, 74, 84, 120, 180):
        handing_over.at(began + minute * MINUTE + 5 * SECOND).beat()
    assert tries(handing_over, began) == [0, 1, 12, 73]

    for day in (1, 2, 3):
        for hour in (-12, 0, 12):
            handing_over.at(began + day * DAY + hour * HOUR + 5 * SECOND).beat()
    assert tries(handing_over, began + 3 * HOUR) == [(day * 24 - 3) * 60 for day in (1, 2, 3)]

    handing_over.at(END - DAY - HOUR).beat()
    handing_over.at(END - DAY + 5 * SECOND).until(END - DAY + 4 * HOUR, every=10 * MINUTE)
    assert tries(handing_over, END - DAY - 2 * HOUR)[1:] == [130, 200, 270, 340]
    assert handing_over.states == {1: "active", 2: "held"}
    # There is no pair to go back to any more.
    handing_over.at(END).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_a_failed_switch_is_settled_by_a_reload_that_works(handing_over):
    fail_to_switch(handing_over)
    handing_over.reload_again()
    handing_over.after(2 * MINUTE).beat()
    assert handing_over.states == {1: "superseded", 2: "active"}
    assert why(handing_over) == "retry"
    assert handing_over.active.switch_failures == 0


def test_the_first_pair_of_all_stays_where_the_reload_fails_and_reload_is_repeated(world):
    world.refuse_to_reload()
    assert world.generate().state == "active"
    failures = [world.active.switch_failures]
    for pause in (MINUTE, 10 * MINUTE, HOUR, HOUR, HOUR):
        world.after(pause - timedelta(seconds=40)).beat()
        assert world.active.switch_failures == failures[-1]
        world.after(timedelta(seconds=45)).beat()
        failures.append(world.active.switch_failures)
    assert failures == [1, 2, 3, 4, 5, 6]
    world.reload_again()
    world.after(HOUR + MINUTE).beat()
    assert world.active.switch_failures == 0
    assert not world.after(2 * HOUR).beat().did


# -- names and settings that change ------------------------------------------------------------------------------------


def test_changed_names_are_in_the_next_pair_and_cost_no_call_before(running):
    running.set(fqdn="new.example.com", ip_addresses=["192.0.2.77"])
    running.beat()
    assert running.states == {1: "active"}
    second = running.generate()
    assert second.dns_names == ["new.example.com"]
    assert second.state == "prepared"


def test_settings_changed_during_a_handover_do_not_touch_its_deadline(handing_over):
    handing_over.set(interval_days=10, overlap_days=5)
    handing_over.after(MINUTE).beat()
    assert handing_over.pending.deadline == DEADLINE
    assert handing_over.states == {1: "active", 2: "prepared"}


def test_a_generation_of_the_worker_is_never_ordered_beside_a_prepared_one(handing_over):
    handing_over.until(DEADLINE - MINUTE, every=6 * HOUR)
    assert Generation.objects.filter(trigger=Trigger.SCHEDULE).count() == 1
