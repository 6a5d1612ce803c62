"""One generation to all telephones, from the first question to the switch of the server."""

from datetime import timedelta

import pytest

from terminals import orders, rollout
from terminals.drivers.base import Reaction
from terminals.models import Installation, Methods, Rollout, Terminal
from terminals.web import snapshot
from tests.support.fleet import REBOOT, TIMER_F
from tests.support.generations import DAY, HOUR, MINUTE, SECOND, utc

IN_TIME = 45 * MINUTE


@pytest.fixture
def renew(fleet, world):
    """A day later at T, 02:00 in Zurich, a new pair is prepared: `renew()`; or at another time of that day."""

    def renewed(at=timedelta(), **options):
        world.after(DAY + at).generate(**options)
        return fleet.beat()

    return renewed


# -- end to end --------------------------------------------------------------------------------------------------------


def test_a_prepared_pair_is_rolled_out_and_the_server_switches_when_all_have_confirmed(fleet, world, renew):
    [phone] = fleet.equipped()
    current = renew()
    assert (current.generation_id, current.state) == (2, "running")
    assert len(phone.notified) == 1
    assert fleet.row(phone).state == "heard"
    assert world.states == {1: "active", 2: "prepared"}

    fleet.during(5 * MINUTE)

    row = fleet.row(phone)
    assert (row.state, row.evidence, row.attempts) == ("confirmed", "fetched", 1)
    assert row.asked_at < row.answered_at < row.fetched_at == row.confirmed_at
    assert world.states == {1: "superseded", 2: "active"}
    assert len(phone.notified) == 1


def test_the_server_waits_as_long_as_one_is_missing(fleet, world, renew):
    fleet.equipped()
    silent, *_ = fleet.equipped(of=fleet.type("Mitel 6869i"))
    silent.answer = Reaction.ABSENT
    renew()
    fleet.during(3 * HOUR)
    assert fleet.states() == {"absent": 1, "confirmed": 1}
    assert world.states == {1: "active", 2: "prepared"}


def test_ip_system_phones_are_exchanged_by_day_and_prove_it(fleet, world, renew):
    phones = fleet.equipped(5, of=fleet.type("IP system phone", Methods.IP_SYSTEM))
    for phone in phones:
        phone.reboot = SECOND
    renew(at=10 * HOUR)
    fleet.during(5 * MINUTE)
    assert {fleet.row(phone).evidence for phone in phones} == {"proved"}
    assert world.states == {1: "superseded", 2: "active"}


def test_a_manual_terminal_waits_on_the_work_list_until_a_person_confirms_it(fleet, world, renew):
    [desk] = fleet.add(of=fleet.type("Yealink T54W", Methods.SIP_STANDARD))
    renew()
    fleet.during(2 * HOUR)
    assert (fleet.row(desk).state, fleet.row(desk).wave, desk.notified) == ("waiting", 0, [])

    terminals = Terminal.objects.filter(pk=desk.terminal.pk)
    assert orders.confirm(world.situation, terminals, generation=2, by="otto", at=world.now) == 1

    row = fleet.row(desk)
    assert (row.state, row.evidence, row.confirmed_by) == ("confirmed", "person", "otto")
    fleet.beat()
    assert world.states == {1: "superseded", 2: "active"}


def test_where_no_terminal_is_known_there_is_no_rollout(fleet, renew):
    assert renew() is None
    assert not Rollout.objects.exists()


# -- waves and limits --------------------------------------------------------------------------------------------------


def test_one_of_each_model_comes_first_and_the_others_wait_for_it(fleet, renew):
    fleet.equipped(10)
    fleet.equipped(10, of=fleet.type("Mitel 6940"))
    renew()
    asked = [phone for phone in fleet.phones.values() if phone.notified]
    assert sorted(phone.terminal.type.name for phone in asked) == ["Mitel 6867i", "Mitel 6940"]
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 20}


def test_no_more_than_so_many_are_under_way_at_once(fleet, renew, delivery):
    delivery(at_once=3, waves=False)
    fleet.equipped(20)
    renew()
    fleet.during(2 * HOUR)
    assert fleet.states() == {"confirmed": 20}
    assert fleet.most_in_flight == 3


def test_with_waves_off_all_are_asked_in_one(fleet, renew, delivery):
    delivery(waves=False, at_once=100)
    fleet.equipped(50)
    renew()
    assert fleet.notified() == 50


def test_an_absent_first_one_is_replaced_by_the_next_of_its_model(fleet, renew, world):
    first, second, *_others = phones = fleet.equipped(10)
    Terminal.objects.filter(pk=first.terminal.pk).update(last_contact=world.now + HOUR)
    Terminal.objects.filter(pk=second.terminal.pk).update(last_contact=world.now + MINUTE)
    first.answer = Reaction.ABSENT
    renew()
    fleet.during(MINUTE)
    assert first.notified
    assert second.notified
    assert fleet.notified(phones[2:]) == 0
    assert (fleet.row(first).state, fleet.row(second).wave) == ("absent", 1)


def test_while_nobody_is_there_nobody_passes_the_first_wave(fleet, renew, delivery):
    delivery(at_once=50)
    phones = fleet.equipped(6)
    for phone in phones:
        phone.answer = Reaction.ABSENT
    renew()
    fleet.during(2 * HOUR)
    assert set(Installation.objects.filter(generation=2).values_list("wave", "state")) == {(1, "absent")}


# -- absent, busy, overloaded ------------------------------------------------------------------------------------------


def test_an_absent_one_is_asked_again_after_1_2_4_and_up_to_60_minutes_then_every_hour(fleet, world, renew, delivery):
    delivery(window_hours=12)
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew()
    fleet.during(8 * HOUR)
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


# -- heard and not back ------------------------------------------------------------------------------------------------


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


# -- stopped, paused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(fleet, renew):
    """Of three models two first ones did not come back."""
    firsts = []
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        firsts += fleet.equipped(1, of=fleet.type(name))
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        fleet.add(4, of=fleet.type(name))
    for phone in firsts[:2]:
        phone.comes_back = False
    renew()
    fleet.during(50 * MINUTE)
    return firsts


def test_two_failures_among_the_first_stop_the_rollout_and_hold_the_deadline(fleet, world, stopped):
    assert Rollout.objects.get(generation=2).state == "stopped"
    assert fleet.notified() == 3
    ready = world.telephones.readiness(root_sha256=world.pending.root_sha256, counts="all", now=world.now)
    assert ready.rollout_stopped
    assert ready.holds_deadline


def test_one_failure_among_three_first_ones_does_not(fleet, renew):
    for name in ("Mitel 6867i", "Mitel 6869i", "Mitel 6940"):
        [phone] = fleet.equipped(1, of=fleet.type(name))
    phone.comes_back = False
    renew()
    assert fleet.during(HOUR).state == "running"


def test_going_on_counts_only_the_failures_since(fleet, world, stopped):
    orders.go_on(Rollout.objects.get(generation=2), by="otto", at=world.now)
    fleet.during(2 * HOUR)
    assert Rollout.objects.get(generation=2).state == "running"
    assert fleet.states() == {"confirmed": 13, "failed": 2}


def test_retrying_asks_the_failed_ones_again(fleet, world, stopped):
    for phone in stopped:
        phone.comes_back = True
    current = Rollout.objects.get(generation=2)
    assert orders.retry_failed(current, by="otto", at=world.now) == 2
    orders.go_on(current, by="otto", at=world.now)
    fleet.during(2 * HOUR)
    assert fleet.states() == {"confirmed": 15}
    assert [len(phone.notified) for phone in stopped] == [2, 2, 1]


def test_a_paused_rollout_asks_nobody_until_a_person_goes_on(fleet, world, renew):
    fleet.equipped(5)
    current = renew()
    orders.pause(current, by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.notified() == 1
    assert fleet.states() == {"confirmed": 1, "waiting": 4}
    orders.go_on(current, by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 5}


@pytest.mark.parametrize("order", [orders.pause, orders.restart_now, orders.retry_failed])
def test_a_rollout_that_has_ended_takes_no_orders(fleet, world, renew, order):
    fleet.equipped()
    renew()
    world.discard()
    fleet.beat()
    with pytest.raises(orders.Refused):
        order(Rollout.objects.get(generation=2), by="otto", at=world.now)


def test_a_running_one_can_not_be_continued(fleet, world, renew):
    fleet.equipped()
    current = renew()
    with pytest.raises(orders.Refused):
        orders.go_on(current, by="otto", at=world.now)


# -- the window --------------------------------------------------------------------------------------------------------


def test_by_day_nobody_restarts(fleet, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR)
    fleet.until(utc("2026-07-02 23:59"), every=30 * MINUTE)
    assert fleet.notified() == 0
    fleet.until(utc("2026-07-03 01:00"))
    assert fleet.states() == {"confirmed": 3}


def test_a_person_can_restart_them_outside_the_window_for_this_rollout(fleet, world, renew):
    fleet.equipped(3)
    current = renew(at=8 * HOUR)
    orders.restart_now(current, by="otto", at=world.now)
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 3}
    assert not Rollout.objects.exclude(generation=2).filter(restart_now=True).exists()


def test_the_window_closes_in_the_middle_of_a_wave(fleet, world, renew, delivery):
    delivery(at_once=1, waves=False)
    phones = fleet.equipped(10)
    for phone in phones:
        phone.reboot = 10 * MINUTE
    renew(at=4 * HOUR - 15 * MINUTE)
    fleet.during(HOUR, every=MINUTE)
    confirmed = fleet.states()["confirmed"]
    assert 0 < confirmed < 10
    assert fleet.notified() == confirmed
    assert all(at < utc("2026-07-02 04:00") for phone in phones for at in phone.notified)
    fleet.until(utc("2026-07-03 03:00"), every=5 * MINUTE)
    assert fleet.states() == {"confirmed": 10}


def test_in_the_last_day_before_the_deadline_they_restart_at_any_hour(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew(at=8 * HOUR)
    deadline = world.pending.deadline
    world.at(deadline - 25 * HOUR)
    fleet.during(30 * MINUTE)
    before = len(phone.notified)
    world.at(deadline - 20 * HOUR)
    fleet.during(5 * MINUTE)
    assert before == 0
    assert len(phone.notified) > before


def test_a_generation_at_once_restarts_them_now_where_it_was_said(fleet, world, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR, at_once=True, restart_now=True)
    fleet.during(HOUR)
    assert fleet.states() == {"confirmed": 3}


def test_and_in_the_next_window_where_it_was_not(fleet, world, renew):
    fleet.equipped(3)
    renew(at=8 * HOUR, at_once=True, restart_now=False)
    fleet.during(HOUR)
    assert world.states == {1: "superseded", 2: "active"}
    assert fleet.notified() == 0


def test_with_handover_nothing_is_said_of_restarts(fleet, world, renew):
    fleet.equipped()
    renew(at=8 * HOUR, restart_now=True)
    assert not Rollout.objects.get(generation=2).restart_now


def test_what_nobody_asked_for_restarts_them_now_where_the_old_pair_has_ended(fleet, world):
    fleet.equipped(2)
    world.at(world.active.end + 8 * HOUR)
    fleet.beat()
    fleet.during(HOUR)
    assert world.states == {1: "superseded", 2: "active"}
    assert fleet.states() == {"confirmed": 2}


def test_a_leaked_key_restarts_them_now(fleet, world):
    fleet.equipped(2)
    world.after(8 * HOUR).withdraw(1)
    fleet.during(HOUR)
    assert world.states == {1: "withdrawn", 2: "active"}
    assert fleet.states() == {"confirmed": 2}


# -- in the middle -----------------------------------------------------------------------------------------------------


def test_a_new_generation_in_the_middle_ends_the_rollout_and_says_so(fleet, world, renew):
    fleet.equipped(5)
    renew()
    world.after(MINUTE).generate()
    fleet.beat()
    old, new = Rollout.objects.get(generation=2), Rollout.objects.get(generation=3)
    assert (old.state, old.ended_because, new.state) == ("ended", "replaced", "running")
    fleet.during(2 * HOUR)
    assert fleet.states(3) == {"confirmed": 5}
    assert world.states == {1: "superseded", 2: "discarded", 3: "active"}


def test_a_discarded_generation_ends_its_rollout_and_that_of_the_active_one_is_there_again(fleet, world, renew):
    fleet.equipped(2)
    fleet.beat()
    renew()
    world.discard()
    fleet.beat()
    ended = Rollout.objects.get(generation=2)
    assert (ended.state, ended.ended_because) == ("ended", "discarded")
    assert Rollout.objects.get(generation=1).state == "running"


def test_a_withdrawn_generation_ends_its_rollout(fleet, world, renew):
    fleet.equipped(2)
    renew()
    world.withdraw(2)
    fleet.beat()
    assert Rollout.objects.get(generation=2).ended_because == "withdrawn"


def test_a_terminal_added_in_the_middle_gets_it_too(fleet, world, renew):
    fleet.equipped(2)
    renew()
    [late] = fleet.add()
    fleet.during(HOUR)
    assert fleet.row(late).state == "confirmed"


def test_a_disabled_terminal_is_neither_asked_nor_waited_for(fleet, world, renew):
    first, second = fleet.equipped(2)
    Terminal.objects.filter(pk=second.terminal.pk).update(enabled=False)
    renew()
    fleet.during(HOUR)
    assert second.notified == []
    assert world.states == {1: "superseded", 2: "active"}
    assert len(first.notified) == 1


def test_a_terminal_deleted_in_the_middle_leaves_nothing_behind(fleet, world, renew):
    first, second = fleet.equipped(2)
    renew()
    Terminal.objects.filter(pk=second.terminal.pk).delete()
    fleet.during(HOUR)
    assert fleet.row(first).state == "confirmed"
    assert world.states == {1: "superseded", 2: "active"}


def test_a_terminal_that_becomes_one_of_another_method_moves_to_the_work_list(fleet, renew):
    _first, second = fleet.equipped(2)
    renew()
    second.terminal.type = fleet.type("Snom D785", Methods.SIP_STANDARD)
    second.terminal.save()
    fleet.beat()
    assert fleet.row(second).wave == Installation.Waves.BY_HAND
    second.terminal.type = fleet.type()
    second.terminal.save()
    fleet.during(HOUR)
    assert fleet.row(second).state == "confirmed"


def test_a_skipped_terminal_is_neither_asked_nor_waited_for(fleet, world, renew):
    first, second = fleet.equipped(2)
    world.after(DAY + 8 * HOUR).generate()
    current = fleet.beat()
    orders.skip(current, [second.terminal.pk], by="otto", at=world.now)
    fleet.until(utc("2026-07-03 02:00"), every=10 * MINUTE)
    assert (len(first.notified), second.notified) == (1, [])
    assert world.states == {1: "superseded", 2: "active"}


def test_a_type_that_holds_only_one_is_due_at_the_switch_and_not_before(fleet, world, renew):
    fleet.equipped(1)
    [single] = fleet.equipped(1, of=fleet.type("Cisco SPA", Methods.MITEL_SIP, holds_only_one=True))
    renew()
    assert single.notified == []
    assert not Installation.objects.filter(generation=2, terminal=single.terminal).exists()
    fleet.during(HOUR)
    assert world.states == {1: "superseded", 2: "active"}
    assert fleet.row(single, 2).state == "confirmed"
    assert single.notified[0] >= world.active.activated_at


def test_after_a_roll_back_who_trusts_the_held_pair_alone_is_asked_again(fleet, world, renew):
    fleet.equipped(1)
    renew()
    fleet.during(10 * MINUTE)
    assert world.states == {1: "superseded", 2: "active"}
    [late] = fleet.add()
    Installation.objects.create(
        generation_id=2, terminal=late.terminal, state="confirmed", confirmed_at=world.now, wave=4
    )
    world.roll_back()
    fleet.during(HOUR)
    assert Installation.objects.get(generation=1, terminal=late.terminal).confirmed_at
    assert fleet.row(late, 2).state == "confirmed"
    assert len(late.notified) == 1


# -- time jumps --------------------------------------------------------------------------------------------------------


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


# -- the worker --------------------------------------------------------------------------------------------------------


def test_what_was_claimed_by_a_worker_that_was_killed_is_not_asked_again_before_it_could_be_back(
    fleet, world, renew, delivery
):
    delivery(window_hours=12)
    [phone] = fleet.equipped()
    fleet.kill = lambda where: where == "claimed"
    renew()
    fleet.kill = lambda _where: False
    assert (fleet.row(phone).state, phone.notified) == ("asked", [])
    fleet.during(IN_TIME - MINUTE)
    assert phone.notified == []
    fleet.during(10 * MINUTE)
    assert len(phone.notified) == 1
    assert fleet.row(phone).state == "confirmed"


def test_one_that_had_heard_it_confirms_and_is_not_restarted_again(fleet, renew):
    [phone] = fleet.equipped()
    fleet.kill = lambda where: where == "answered"
    renew()
    fleet.kill = lambda _where: False
    fleet.during(3 * HOUR)
    assert (fleet.row(phone).state, phone.restarts) == ("confirmed", 1)


def test_a_round_that_is_cut_short_for_others_leaves_nobody_asked_twice(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    began = world.after(MINUTE).now
    fleet.beat(others_wait=lambda: bool(phone.notified))
    assert world.now - began < 10 * SECOND
    row = fleet.row(phone)
    assert (row.state, row.next_at - world.now) == ("absent", IN_TIME)


def test_it_is_cut_short_too_while_it_waits_for_the_last_answers(fleet, world, delivery, renew):
    phones = fleet.equipped(2)
    for phone in phones:
        phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    began = world.after(MINUTE).now
    late = began + rollout.CLAIMS_FOR + SECOND
    fleet.beat(others_wait=lambda: world.now >= late)
    assert late <= world.now < late + 10 * SECOND
    assert {fleet.row(phone).state for phone in phones if phone.notified} == {"absent"}


def test_nobody_is_asked_before_the_listeners_have_read_of_a_new_pair(fleet, world):
    [phone] = fleet.equipped()
    made = world.after(DAY).now
    world.generate()
    fleet.beat()
    [notified] = phone.notified
    assert timedelta(seconds=snapshot.LONGEST_PAUSE) < notified - made < 10 * SECOND


def test_the_worker_does_not_wait_for_the_listeners_where_it_has_something_else_to_do(fleet, world):
    [phone] = fleet.equipped()
    made = world.after(DAY).now
    world.generate()
    fleet.beat(others_wait=lambda: True)
    assert not phone.notified
    assert world.now - made < SECOND


def test_a_round_ends_within_a_minute_whoever_is_silent(fleet, world, renew, delivery):
    delivery(waves=False, at_once=5)
    for phone in fleet.equipped(200):
        phone.answer = Reaction.ABSENT
    world.after(DAY).generate()
    began = world.now
    fleet.beat()
    assert world.now - began <= MINUTE


def test_with_nothing_to_ask_it_ends_at_once(fleet, world):
    fleet.equipped(3)
    fleet.beat()
    began = world.now
    fleet.beat()
    assert world.now == began


def test_nobody_is_waited_for_who_takes_minutes_to_restart(fleet, world, renew):
    fleet.equipped(5)
    world.after(DAY).generate()
    began = world.after(MINUTE).now
    fleet.beat()
    assert world.now - began < 5 * SECOND < REBOOT


def test_reconciling_twice_changes_nothing(fleet, world, renew):
    fleet.equipped(5)
    renew()
    before = list(Installation.objects.order_by("pk").values())
    rollout.reconcile(world.situation)
    rollout.reconcile(world.situation)
    assert list(Installation.objects.order_by("pk").values()) == before
