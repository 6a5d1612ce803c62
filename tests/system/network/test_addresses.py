"""In which order the addresses of a name are tried, and which of them counts."""

import socket
import threading
import time

import pytest

from pbxcerts.system.network.addresses import NoAttemptSucceeded, SocketAddress, first_success, in_turns, pause

V6, V4 = socket.AF_INET6, socket.AF_INET


def found(*addresses):
    return [(V6 if ":" in one else V4, socket.SOCK_STREAM, 6, "", (one, 5061)) for one in addresses]


@pytest.mark.parametrize(
    ("resolved", "tried"),
    [
        (
            ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"],
            ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"],
        ),
        (
            ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"],
            ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"],
        ),
        (["192.0.2.1", "192.0.2.1"], ["192.0.2.1"]),
        ([], []),
    ],
)
def test_the_families_take_turns_and_the_resolvers_first_is_first(resolved, tried):
    assert [one.address[0] for one in in_turns(found(*resolved))] == tried


@pytest.mark.parametrize(("count", "within", "seconds"), [(2, 5, 0.25), (20, 5, 0.125), (1, 0.1, 0.05), (3, -1, 0)])
def test_all_of_them_are_tried_in_half_of_the_time(count, within, seconds):
    assert pause(count, within) == seconds


ADDRESSES = [SocketAddress(V4, (str(number), 0)) for number in range(3)]


def test_one_that_fails_makes_room_for_the_next_at_once():
    def attempt(one):
        if one is not ADDRESSES[2]:
            raise ConnectionRefusedError(one.address[0])
        return "third"

    began = time.monotonic()
    assert first_success(ADDRESSES, attempt, within=60) == "third"
    assert time.monotonic() - began < 0.2


def test_one_that_takes_its_time_counts_while_nobody_is_quicker():
    begun = []

    def attempt(one):
        begun.append(one)
        if one is not ADDRESSES[0]:
            raise ConnectionRefusedError
        time.sleep(0.4)
        return "first"

    assert first_success(ADDRESSES, attempt, within=60) == "first"
    assert begun == ADDRESSES


def test_where_none_succeeds_each_says_why():
    def attempt(one):
        raise OSError(one.address[0])

    with pytest.raises(NoAttemptSucceeded) as none:
        first_success(ADDRESSES, attempt, within=60)
    assert [str(error) for error in none.value.errors] == ["0", "1", "2"]
    assert str(none.value) == "0; 1; 2"


def test_nobody_waits_longer_than_was_said():
    over = threading.Event()
    began = time.monotonic()
    with pytest.raises(NoAttemptSucceeded, match="timed out"):
        first_success(ADDRESSES, lambda _one: over.wait(30), within=0.1)
    over.set()
    assert time.monotonic() - began < 2


def test_a_mistake_of_ours_is_none_of_the_networks():
    with pytest.raises(ZeroDivisionError):
        first_success(ADDRESSES, lambda _one: 1 / 0, within=1)
