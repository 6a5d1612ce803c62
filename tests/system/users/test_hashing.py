"""How many passwords are hashed at once (rule two-hash)."""

import threading
import time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password

from pbxcerts.system.users.hashing import TurnsAtHashing, Turnstile

OURS = "pbxcerts.system.users.hashing.TurnsAtHashing"


@pytest.fixture
def hashers(settings):
    settings.PASSWORD_HASHERS = [OURS]


def test_the_product_hashes_so():
    from pbxcerts.settings import PASSWORD_HASHERS

    assert PASSWORD_HASHERS[0] == OURS


def test_passwords_of_before_are_known(hashers):
    assert TurnsAtHashing.algorithm == PBKDF2PasswordHasher.algorithm
    before = PBKDF2PasswordHasher().encode("seven copper kettles", "salt", iterations=1000)

    assert check_password("seven copper kettles", before)
    assert not check_password("wrong", before)


def test_at_most_two_are_hashed_at_a_time_and_none_is_left_out(hashers, monkeypatch):
    now, most, lock = 0, 0, threading.Lock()

    def encode(self, password, salt, iterations=None):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return f"pbkdf2_sha256$1${salt}$x"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    threads = [threading.Thread(target=make_password, args=["any"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert not any(thread.is_alive() for thread in threads)
    assert most == 2


def in_thread(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wait_until(question):
    end = time.monotonic() + 10
    while not question():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_who_waits_is_let_through_in_the_order_of_arrival():
    """Also before those who come just when a place is given back: else a crowd could keep one waiting for ever."""
    turnstile, order = Turnstile(1), []

    def pass_through(name):
        with turnstile:
            order.append(name)

    with turnstile:
        threads = []
        for number in range(5):
            threads.append(in_thread(lambda number=number: pass_through(number)))
            wait_until(lambda number=number: len(turnstile._line) == number + 1)
    pass_through("newcomer")
    for thread in threads:
        thread.join(timeout=10)

    assert order == [0, 1, 2, 3, 4, "newcomer"]


def test_what_fails_gives_its_place_back():
    turnstile = Turnstile(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="any"), turnstile:
            raise ValueError("any")
