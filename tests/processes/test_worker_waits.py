"""A worker that starts while the database is away waits for it (rules proof-of-life, said-on-change)."""

import logging
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from pbxcerts import tasks
from pbxcerts.processes import worker

PATIENT = SimpleNamespace(wait=lambda _seconds: False)


def away_for(tries):
    """Raises so many times, and then does it."""
    left = iter([OperationalError("connection failed: refused\n\tIs it running?")] * tries)

    def do():
        if error := next(left, None):
            raise error

    return do


@pytest.fixture
def log(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(worker, "is_away", lambda _error: True)
    monkeypatch.setattr(worker.connections, "close_all", lambda: None)
    return caplog


def test_it_says_once_that_the_database_is_away_and_once_that_it_is_there_again(log):
    assert worker._when_the_database_is_there(PATIENT, away_for(500))
    assert log.messages == ["the database is away: connection failed: refused", "the database is there again"]


def test_where_it_is_there_nothing_is_said(log):
    assert worker._when_the_database_is_there(PATIENT, away_for(0))
    assert log.messages == []


def test_who_is_told_to_end_waits_no_longer(log):
    assert not worker._when_the_database_is_there(SimpleNamespace(wait=lambda _seconds: True), away_for(500))


def test_heartbeats_that_fail_for_want_of_the_database_are_said_on_change_without_a_traceback(monkeypatch, log):
    monkeypatch.setattr(tasks, "is_away", lambda _error: True)
    monkeypatch.setattr(tasks, "_one_round", away_for(3))
    for _minute in range(5):
        tasks.heartbeat()

    assert [(record.getMessage(), record.exc_info) for record in log.records] == [
        ("no heartbeat, as the database is away: connection failed: refused", None),
        ("heartbeats go on: the database is there again", None),
    ]


def test_a_heartbeat_that_fails_for_another_reason_fails(monkeypatch):
    monkeypatch.setattr(tasks, "_one_round", away_for(1))
    with pytest.raises(OperationalError):
        tasks.heartbeat()
