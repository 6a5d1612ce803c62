"""Who makes room where more is kept than may be (rule common-budget); what is kept is only counted here."""

from contextlib import ExitStack

import pytest

from pbxcerts.processes.listeners import budget
from pbxcerts.processes.listeners.budget import Budget
from pbxcerts.processes.listeners.places import Limits

ATTACKER, OTHER, PERSON = "203.0.113.66", "203.0.113.67", "192.0.2.1"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


class Kept(Budget):
    """Knows whose holdings gave up."""

    def __init__(self, clients, *, in_all=8, of_one=8):
        super().__init__(Limits(in_all, of_one))
        self._clients = clients
        self.given_up = []

    def come(self, address, octets=0):
        held = self._clients.enter_context(self.holding(address, lambda: self.given_up.append(held)))
        held.add(octets)
        return held


@pytest.fixture
def clients(clock):
    with ExitStack() as clients:
        yield clients


def test_a_slow_one_loses_nothing_to_an_address_that_comes_again_and_again(clients, clock):
    kept = Kept(clients)
    slow = kept.come(PERSON, 1)
    for _ in range(50):
        clock.now += 0.1
        kept.come(ATTACKER, 2)
        if slow.octets < 3:
            slow.add(1)

    assert slow not in kept.given_up
    assert slow.octets == 3
    assert kept.octets <= 8


def test_who_adds_to_the_address_that_holds_most_is_refused_while_the_others_of_it_are_young(clients, clock):
    kept = Kept(clients)
    old, new = kept.come(ATTACKER, 4), kept.come(ATTACKER, 4)
    clock.now += 1.9
    third = kept.come(ATTACKER, 1)
    assert kept.given_up == [third]

    clock.now += 0.2
    kept.come(ATTACKER, 1)
    assert kept.given_up == [third, old]
    assert new.octets == 4


def test_another_address_is_made_room_for_at_once_by_the_oldest_of_the_one_that_holds_most(clients):
    kept = Kept(clients)
    other = kept.come(OTHER, 3)
    first, _second = kept.come(ATTACKER, 2), kept.come(ATTACKER, 2)
    person = kept.come(PERSON, 2)

    assert kept.given_up == [first]
    assert other.octets == 3
    assert person.octets == 2


def test_where_both_hold_as_much_who_comes_gives_up(clients):
    kept = Kept(clients)
    kept.come(ATTACKER, 4)
    person = kept.come(PERSON, 5)

    assert kept.given_up == [person]


def test_an_address_is_the_same_whichever_of_its_connections_read_it(clients):
    kept = Kept(clients)
    kept.come(ATTACKER, 5)
    kept.come("".join(PERSON), 1)
    newest = kept.come("".join(PERSON), 4)

    assert kept.given_up == [newest]


def test_one_address_never_has_all_of_it_whatever_cannot_be_given_up(clients):
    kept = Kept(clients, of_one=5)
    for _ in range(5):
        kept.come(ATTACKER, 2).keep()

    assert kept.octets <= 5
    assert kept.come(PERSON, 3) not in kept.given_up


def test_what_is_needed_is_never_given_up(clients, clock):
    kept = Kept(clients)
    needed = kept.come(ATTACKER, 6)
    needed.keep()
    clock.now += 60
    person = kept.come(PERSON, 3)

    assert kept.given_up == [person]
    assert needed.octets == 6


def test_those_without_a_limit_of_their_own_count_each_for_itself(clients):
    kept = Kept(clients, of_one=5)
    several = [kept.come(None, 2) for _ in range(4)]
    assert kept.given_up == []

    kept.come(PERSON, 1)
    assert kept.given_up == [several[0]]
