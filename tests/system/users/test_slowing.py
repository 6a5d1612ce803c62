"""How often a password may be tried, as a model: no request, no clock (rule slowed-never-locked)."""

import threading

import pytest

from pbxcerts.system.users.slowing import MOST_IN_LINE, MOST_REMEMBERED, Slowed, Subject, Throttle

ANNA = Subject("account", "anna")


def tries(throttle, *subjects, at, visitor="192.0.2.1"):
    """0 where a password may be tried now, else the seconds to wait."""
    try:
        throttle.begin(subjects, visitor=visitor, now=at)
    except Slowed as slowed:
        return slowed.seconds
    return 0


@pytest.fixture
def throttle():
    return Throttle()


@pytest.fixture
def slowed(throttle):
    """Ten have failed at once."""
    assert [tries(throttle, ANNA, at=0) for _ in range(10)] == [0] * 10
    return throttle


def test_after_ten_failures_an_account_waits_longer_after_each_up_to_half_a_minute(slowed):
    at, waited = 0.0, []
    for _ in range(8):
        waited.append(tries(slowed, ANNA, at=at))
        at += waited[-1]
        assert tries(slowed, ANNA, at=at) == 0

    assert waited == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_try_that_was_refused_makes_nothing_longer(slowed):
    assert [tries(slowed, ANNA, at=0.5) for _ in range(100)] == [1] * 100
    assert tries(slowed, ANNA, at=1) == 0


def test_it_is_the_account_that_is_slowed_wherever_its_visitors_come_from(throttle):
    assert [tries(throttle, ANNA, at=0, visitor=f"192.0.2.{n}") for n in range(10)] == [0] * 10
    assert tries(throttle, ANNA, at=0, visitor="192.0.2.77") == 1
    assert tries(throttle, Subject("account", "vera"), at=0, visitor="192.0.2.77") == 0


def test_an_address_is_slowed_after_twenty_within_a_quarter_of_an_hour(throttle):
    address = Subject("address", "192.0.2.1")
    assert [tries(throttle, address, at=n) for n in range(20)] == [0] * 20
    assert tries(throttle, address, at=19) == 1
    # The first ones are over.
    assert tries(throttle, address, at=15 * 60 + 5) == 0


def test_who_was_told_to_wait_has_a_turn_that_nobody_takes(slowed):
    """Else the one who asks most often would be let in each time, and the account be locked for everybody else."""
    assert tries(slowed, ANNA, at=0, visitor="attacker") == 1
    assert tries(slowed, ANNA, at=0, visitor="anna") == 2
    assert tries(slowed, ANNA, at=1, visitor="attacker") == 0
    for tenth in range(11, 40):
        assert tries(slowed, ANNA, at=tenth / 10, visitor="attacker") > 0

    assert tries(slowed, ANNA, at=4, visitor="anna") == 0


def test_a_turn_is_kept_for_a_minute(slowed):
    assert tries(slowed, ANNA, at=0, visitor="late") == 1
    assert tries(slowed, ANNA, at=0, visitor="later") == 2
    assert tries(slowed, ANNA, at=61, visitor="late") == 0
    assert tries(slowed, ANNA, at=62.5, visitor="later") > 0


def test_a_line_that_is_full_gives_no_more_turns_and_says_when_one_is_free(slowed):
    for number in range(MOST_IN_LINE):
        assert tries(slowed, ANNA, at=0, visitor=f"{number}") == number + 1

    assert tries(slowed, ANNA, at=0, visitor="one more") == 61
    assert tries(slowed, ANNA, at=61.5, visitor="one more") == 0


def test_a_success_takes_back_what_it_cost_the_address_and_clears_the_account(slowed):
    address = Subject("address", "192.0.2.1")
    for _ in range(19):
        tries(slowed, address, at=0)
    assert tries(slowed, ANNA, address, at=1) == 0
    slowed.succeeded((ANNA, address))

    assert [tries(slowed, ANNA, at=1) for _ in range(10)] == [0] * 10
    assert (tries(slowed, address, at=1), tries(slowed, address, at=1)) == (0, 1)


def test_a_success_of_an_account_does_not_clear_its_address(throttle):
    """Else who has an account of his own could guess at others from there for as long as he likes."""
    address = Subject("address", "192.0.2.1")
    for _ in range(20):
        tries(throttle, address, at=0)
    assert tries(throttle, ANNA, address, at=1) == 0
    throttle.succeeded((ANNA, address))

    assert (tries(throttle, address, at=1), tries(throttle, address, at=1)) == (0, 2)


def test_who_waits_for_one_of_two_is_counted_at_neither(slowed):
    address = Subject("address", "192.0.2.1")
    for _ in range(5):
        assert tries(slowed, ANNA, address, at=0) == 1
    assert [tries(slowed, address, at=0) for _ in range(20)] == [0] * 20


def test_many_at_once_get_no_more_than_one_after_the_other(throttle):
    """They are counted before it is known that they are wrong."""
    start, went = threading.Barrier(16), []

    def visitor():
        start.wait()
        went.append(tries(throttle, ANNA, at=0))

    threads = [threading.Thread(target=visitor) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert went.count(0) == 10


def test_names_that_a_stranger_invents_fill_no_memory(throttle):
    for number in range(MOST_REMEMBERED + 50):
        tries(throttle, Subject("account", f"invented {number}"), at=0)

    assert len(throttle) == MOST_REMEMBERED


def test_who_is_slowed_pushes_nobody_out_of_it_with_invented_names(slowed):
    """Such a try costs nothing: else an attacker would have ten free ones again, as often as he likes."""
    address = Subject("address", "192.0.2.1")
    for _ in range(20):
        tries(slowed, address, at=0)
    for number in range(MOST_REMEMBERED + 50):
        assert tries(slowed, Subject("account", f"invented {number}"), address, at=0.5) == 1

    assert tries(slowed, ANNA, at=0.5, visitor="192.0.2.2") == 1


def test_it_says_once_that_it_slows(throttle, caplog):
    for at in range(12):
        if tries(throttle, ANNA, at=at * 60) == 0:
            throttle.failed((ANNA,))
    assert [record.getMessage() for record in caplog.records] == [
        "10 passwords for the account 'anna' were wrong within 15 minutes: it is slowed from now on."
    ]
