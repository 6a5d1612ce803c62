"""Who has a place at a listener, and who goes first (rule places-of-a-listener); the connections are none here."""

import pytest

from pbxcerts.processes.listeners import places
from pbxcerts.processes.listeners.places import LOOPBACK, Limits, Places, networks
from pbxcerts.processes.listeners.turns import Turns


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch):
    monkeypatch.setattr(places, "GRACE", 0)


class Listener(Places):
    """Its places know who was turned out."""

    def __init__(self, in_all=100, of_one=2, exempt=()):
        super().__init__(Limits(in_all, of_one), networks(exempt), Turns(0))
        self.turned_out = []

    def come(self, address):
        place = self.enter(address)
        if place is not None:
            place.end = lambda: self.turned_out.append(address)
        return place


@pytest.mark.parametrize(
    ("one", "another", "are_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_what_counts_as_one_address(one, another, are_one):
    listener = Listener(of_one=1)
    listener.come(one).is_answered()
    listener.come(another)

    assert (len(listener) == 1) is are_one


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "192.0.2.1", "2001:db8::5"])
def test_loopback_and_declared_proxies_have_no_limit_of_their_own(address):
    listener = Listener(of_one=1, exempt=[*LOOPBACK, "192.0.2.1", "2001:db8::/64", "not an address"])

    assert all(listener.come(address) for _ in range(5))
    assert listener.turned_out == []


def test_every_address_may_be_a_proxy():
    listener = Listener(of_one=1, exempt=["*"])

    assert all(listener.come(address) for address in ("192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::1"))


def test_of_those_without_a_request_the_oldest_goes_first_then_the_oldest_of_the_answered():
    listener = Listener(in_all=4, of_one=4)
    answered, idle, silent, newest = (listener.come(f"192.0.2.{number}") for number in range(4))
    answered.is_answered()
    newest.is_answered()
    idle.asks()
    assert listener.are_taken

    for _ in range(4):
        listener.make_room()
        assert not listener.are_taken
        listener.come("198.51.100.1").is_answered()

    assert silent not in listener
    assert listener.turned_out == ["192.0.2.2", "192.0.2.1", "192.0.2.0", "192.0.2.3"]


def test_nobody_goes_who_has_just_come(monkeypatch):
    monkeypatch.setattr(places, "GRACE", 60)
    listener = Listener(in_all=2, of_one=2)
    listener.come("192.0.2.1")
    listener.come("192.0.2.1")

    assert listener.come("192.0.2.1") is None
    listener.make_room()
    assert listener.turned_out == []
    assert listener.are_taken


def test_a_place_that_is_given_back_is_free_and_is_given_back_once():
    listener = Listener(of_one=1)
    first = listener.come("192.0.2.1")
    first.is_answered()
    first.leave()
    first.leave()
    first.asks()

    assert len(listener) == 0
    assert listener.come("192.0.2.1") is not None
    assert listener.turned_out == []


def test_nothing_is_kept_of_addresses_that_have_gone():
    listener = Listener()
    for number in range(200):
        listener.come(f"192.0.2.{number}").leave()

    assert listener._sites == {}


def test_those_without_a_limit_take_turns_together_and_any_other_address_by_itself():
    taken = []

    class Recorded(Turns):
        def take_turn(self, address, _connection, _then):
            taken.append(address)

    listener = Places(Limits(9, 9), networks(LOOPBACK), Recorded(0))
    for address in ("127.0.0.1", "::1", "192.0.2.1", "::ffff:192.0.2.1"):
        listener.enter(address).take_turn(print)

    assert taken == [None, None, "192.0.2.1", "192.0.2.1"]
