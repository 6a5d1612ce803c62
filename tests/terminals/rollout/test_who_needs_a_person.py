"""Whom a message names that says how many terminals need a person (rule in-advance)."""

from certificates.renewal.handover import known_terminals
from pbxcerts.panel.what_comes import what_comes
from terminals.by_hand.who import NAMED_AT_MOST
from terminals.models import Installation, Terminal
from terminals.rollout import orders
from terminals.states import DeliveryState
from tests.support.generations import DAY


def ahead(world):
    return what_comes(world.situation, known_terminals()).work_out()


def by_hand(fleet, count):
    phones = fleet.add(count, of=fleet.type("Yealink", "sip_standard"))
    return [phone.terminal for phone in phones]


def names(terminals):
    return tuple(str(terminal) for terminal in terminals)


def test_before_a_generation_those_who_get_it_by_hand_are_named(fleet, world):
    fleet.add(3)
    hand = by_hand(fleet, 2)

    told = ahead(world)
    assert (told.number, told.by_hand, told.names) == (None, 2, names(hand))


def test_during_a_handover_those_who_are_left(fleet, world):
    fleet.equipped(3)
    done, skipped, *left = by_hand(fleet, 4)
    world.after(DAY).generate()
    fleet.beat()
    orders.confirm(world.situation, Terminal.objects.filter(pk=done.pk), generation=2, by="otto", at=world.now)
    Installation.objects.filter(generation=2, terminal=skipped).update(state=DeliveryState.SKIPPED)

    told = ahead(world)
    assert (told.number, told.by_hand, told.names) == (2, 2, names(left))


def test_one_whose_list_is_full_is_among_them(fleet, world):
    [phone] = fleet.equipped(1)
    world.after(DAY).generate()
    fleet.beat()
    assert ahead(world).names == ()
    Installation.objects.filter(generation=2, terminal=phone.terminal).update(state=DeliveryState.FULL)

    assert ahead(world).names == names([phone.terminal])


def test_one_that_is_switched_off_is_not(fleet, world):
    off, on = by_hand(fleet, 2)
    world.after(DAY).generate()
    fleet.beat()
    Terminal.objects.filter(pk=off.pk).update(enabled=False)

    assert ahead(world).names == names([on])


def test_of_many_the_first_by_number_are_named(fleet, world):
    hand = by_hand(fleet, NAMED_AT_MOST + 3)

    told = ahead(world)
    assert (told.by_hand, told.names) == (len(hand), names(hand[:NAMED_AT_MOST]))
