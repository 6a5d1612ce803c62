"""What the rollout says when it is true, and no longer when it is not."""

import pytest
from django.utils import translation

from certificates.models import Generation
from pbxcerts.system.events import cleared_text_of, send_and_clear
from pbxcerts.system.models import EventMessage
from terminals.drivers.base import Reaction
from terminals.models import Installation, Rollout, Terminal
from terminals.rollout import orders
from terminals.rollout.rounds import reconcile_rollouts
from terminals.rollout.target import rollout_in_force
from terminals.rollout.warnings import rollout_warnings
from tests.support.generations import DAY, MINUTE


@pytest.fixture
def said(fleet):
    """The ids of what is true now, or the texts of one of them."""

    def say(of=None):
        situation = fleet.world.situation
        notices = rollout_warnings(situation, reconcile_rollouts(situation))
        return [str(notice.text) for notice in notices if notice.id == of] if of else {n.id for n in notices}

    return say


@pytest.fixture
def renew(fleet, world):
    def renewed():
        world.after(DAY).generate()
        return fleet.beat()

    return renewed


def test_a_fleet_that_has_confirmed_says_nothing(fleet, said):
    fleet.equipped(3)
    fleet.beat()
    assert said() == set()


def test_a_stop_is_critical_and_names_who_failed(fleet, said, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.REFUSED
    current = renew()
    current = fleet.beat()
    assert said() == {"rollout_stopped", "terminals_failed"}
    assert phone.terminal.number in said("terminals_failed")[0]
    orders.go_on(current, by="otto", at=fleet.world.now)
    assert said() == {"terminals_failed"}


def test_a_pause_names_the_person(fleet, said, renew):
    fleet.equipped(2)
    orders.pause(renew(), by="otto", at=fleet.world.now)
    assert "otto" in said("rollout_paused")[0]


def test_absent_ones(fleet, said, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.ABSENT
    renew()
    assert said() == {"terminals_absent"}
    fleet.fetch(phone)
    assert said() == set()


def test_of_many_the_first_are_named(fleet, said, renew, delivery):
    delivery(waves=False)
    for phone in fleet.equipped(7):
        phone.answer = Reaction.ABSENT
    renew()
    [text] = said("terminals_absent")
    assert "7 (100 desk 100, 101 desk 101, 102 desk 102, 103 desk 103, 104 desk 104, …)" in text
    Terminal.objects.filter(number__in=["105", "106"]).delete()
    assert "5 (100 desk 100, 101 desk 101, 102 desk 102, 103 desk 103, 104 desk 104)" in said("terminals_absent")[0]


def test_manual_ones_left_with_a_reminder_as_the_day_comes_near(fleet, world, said, renew):
    [desk] = fleet.add(of=fleet.type("Yealink", "sip_standard"))
    renew()
    assert said() == {"manual_left"}
    for days in (13, 6, 2):
        world.at(world.pending.deadline - days * DAY)
        assert said() == {"manual_left", "manual_due"}
    desk_alone = Terminal.objects.filter(pk=desk.terminal.pk)
    orders.confirm(world.situation, desk_alone, generation=2, by="otto", at=world.now)
    assert said() == set()


def test_a_fetch_from_another_address(fleet, said):
    [phone] = fleet.add(address="192.0.2.1")
    fleet.beat()
    fleet.fetch(phone, address="192.0.2.2")
    assert said() == {"address_differs"}
    Installation.objects.update(address_differs=False)
    assert said() == set()


def test_a_fetch_that_nothing_proves(fleet, said, delivery):
    delivery(telephone_networks=[])
    phones = fleet.add(2)
    reconcile_rollouts(fleet.world.situation)
    fleet.fetch(*phones, address="203.0.113.66")
    assert said() == {"fetches_unproved"}
    assert "2 (100 desk 100, 101 desk 101)" in said("fetches_unproved")[0]
    delivery(telephone_networks=["203.0.113.0/24"])
    fleet.beat()
    assert said() == set()


def test_two_addresses_after_one_notification_are_one_event_with_a_count(fleet, world, said, renew, delivery):
    delivery(telephone_networks=[], waves=False)
    phones = fleet.add(3)
    renew()
    fleet.during(3 * MINUTE)
    assert said() == set()
    fleet.fetch(*phones[:2], address="203.0.113.66")
    assert said() == {"fetches_unproved", "several_addresses"}
    [text] = said("several_addresses")
    assert "2 (100 desk 100, 101 desk 101)" in text
    told = EventMessage.objects.filter(kind="several_addresses")
    fleet.beat()
    send_and_clear(rollout_warnings(world.situation, Rollout.objects.get(generation=2)), now=world.now)
    send_and_clear(rollout_warnings(world.situation, Rollout.objects.get(generation=2)), now=world.now)
    assert told.count() == 1
    fleet.fetch(phones[2], address="203.0.113.66")
    send_and_clear(rollout_warnings(world.situation, Rollout.objects.get(generation=2)), now=world.now)
    assert [one.params["count"] for one in told.order_by("raised_at", "pk")] == [2, 3]


def test_two_phones_with_the_same_address(fleet, said):
    phones = fleet.add(2, address="192.0.2.1")
    fleet.beat()
    fleet.fetch(*phones, address="192.0.2.1")
    assert said() == {"same_address"}
    Terminal.objects.filter(pk=phones[0].terminal.pk).update(address="192.0.2.7")
    assert said() == set()


def test_without_a_rollout_nothing_is_said(world):
    assert rollout_warnings(world.situation, None) == []


def test_a_work_list_that_another_generation_replaces_is_not_said_to_be_empty(fleet, world, renew):
    fleet.add(of=fleet.type("Yealink", "sip_standard"))
    for _ in range(2):
        renew()
        rollout = rollout_in_force(world.situation)
        send_and_clear(rollout_warnings(world.situation, rollout), now=world.now)

    over, left = EventMessage.objects.filter(kind="manual_left").order_by("pk")
    assert (over.params["number"], left.params["number"]) == (2, 3)
    assert (over.cleared_at, left.cleared_at) == (world.now, None)
    with translation.override("en"):
        assert "generation 2 by hand, or its rollout is no longer in force" in cleared_text_of(over)


def test_a_stop_that_a_person_turns_into_a_pause_is_not_said_to_go_on(fleet, world, renew):
    [phone] = fleet.equipped()
    phone.answer = Reaction.REFUSED
    renew()
    stopped = fleet.beat()
    send_and_clear(rollout_warnings(world.situation, stopped), now=world.now)
    orders.pause(stopped, by="otto", at=world.now)
    send_and_clear(rollout_warnings(world.situation, Rollout.objects.get(pk=stopped.pk)), now=world.now)

    over = EventMessage.objects.get(kind="rollout_stopped")
    assert over.cleared_at is not None
    with translation.override("en"):
        assert "no longer stopped" in cleared_text_of(over)


def test_whom_a_switch_has_cut_off_is_said_also_where_nothing_is_handed_out(fleet, world):
    """The pair is withdrawn and nothing takes its place yet: they still have no calls."""
    fleet.equipped()
    Terminal.objects.update(address="192.0.2.1")
    fleet.add(address="192.0.2.1")
    world.after(DAY).generate(at_once=True)
    Generation.objects.active().update(withdrawn_at=world.now)

    assert rollout_in_force(world.situation) is None
    assert {one.id for one in rollout_warnings(world.situation, None)} == {"terminals_cut_off", "same_address"}
