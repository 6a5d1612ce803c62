"""Who comes first, and how many at once (rules waves, places)."""

import pytest
from django.db.models import Count

from terminals.drivers.base import Reaction
from terminals.models import Installation, Terminal
from tests.support.generations import HOUR, MINUTE

pytestmark = pytest.mark.simulation


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
    phones = fleet.equipped(4)
    for phone in phones:
        phone.answer = Reaction.ABSENT
    renew()
    fleet.during(HOUR)
    assert set(Installation.objects.filter(generation=2).values_list("wave", "state")) == {(1, "absent")}


def test_the_second_and_the_third_wave_are_as_large_as_it_is_set(fleet, renew, delivery):
    delivery(second_wave_percent=20, third_wave_percent=40)
    fleet.equipped(10)
    renew()

    waves = Installation.objects.filter(generation=2).values_list("wave").annotate(count=Count("pk")).order_by("wave")
    assert list(waves) == [(1, 1), (2, 2), (3, 4), (4, 3)]
