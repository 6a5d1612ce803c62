"""What the rollout says when it is true, and no longer when it is not."""

import pytest

from terminals import orders
from terminals.drivers.base import Reaction
from terminals.models import Installation, Methods, Terminal
from terminals.rollout import reconcile
from terminals.warnings import warnings
from tests.support.generations import DAY


@pytest.fixture
def said(fleet):
    """The ids of what is true now, or the texts of one of them."""

    def say(of=None):
        situation = fleet.world.situation
        notices = warnings(situation, reconcile(situation))
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
    [desk] = fleet.add(of=fleet.type("Yealink", Methods.SIP_STANDARD))
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


def test_two_phones_with_the_same_address(fleet, said):
    phones = fleet.add(2, address="192.0.2.1")
    fleet.beat()
    fleet.fetch(*phones, address="192.0.2.1")
    assert said() == {"same_address"}
    Terminal.objects.filter(pk=phones[0].terminal.pk).update(address="192.0.2.7")
    assert said() == set()


def test_without_a_rollout_nothing_is_said(world):
    assert warnings(world.situation, None) == []
