"""What changes in the middle: the list, the types, the generation."""

import pytest

from terminals.models import Installation, Rollout, Terminal
from terminals.rollout import orders
from tests.support.generations import DAY, HOUR, MINUTE, utc

pytestmark = pytest.mark.simulation


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
    second.terminal.type = fleet.type("Snom D785", "sip_standard")
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
    [single] = fleet.equipped(1, of=fleet.type("Cisco SPA", "mitel_sip", holds_only_one=True))
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
