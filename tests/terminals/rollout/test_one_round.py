"""Workers on several machines share a database, and one at a time asks terminals (rule one-round)."""

import threading

import pytest
from django.db import connection

from pbxcerts import heartbeat
from terminals.rollout.one_round import the_only_round

pytestmark = pytest.mark.django_db


def elsewhere(work):
    """In a worker with a connection of its own."""
    found = []

    def run():
        try:
            found.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def asks():
    with the_only_round() as is_mine:
        return is_mine


def test_a_worker_that_is_alone_asks():
    assert asks()
    assert asks()


def test_where_another_is_in_the_middle_of_a_round_a_worker_leaves_it_alone():
    if connection.vendor != "postgresql":
        pytest.skip("with SQLite there is one worker")
    with the_only_round() as is_mine:
        assert is_mine
        assert not elsewhere(asks)
    assert elsewhere(asks)


def test_the_heartbeat_begins_no_round_beside_another(monkeypatch):
    class Busy:
        def __enter__(self):
            return False

        def __exit__(self, *_error):
            return None

    monkeypatch.setattr(heartbeat, "the_only_round", Busy)
    monkeypatch.setattr(heartbeat, "SipSender", None)

    heartbeat._ask_terminals(None, None)
