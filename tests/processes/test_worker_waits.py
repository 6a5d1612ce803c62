"""A worker that starts while the database is away waits for it (rules proof-of-life, said-on-change)."""

import logging
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from pbxcerts import tasks
from pbxcerts.processes import database_queue, pulse, supervision, worker
from pbxcerts.processes.database_queue import ORM, DatabaseQueue
from pbxcerts.processes.service_manager import ServiceManager
from pbxcerts.processes.supervision import Patience, Supervisor
from pbxcerts.system.database import database_lock

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
    monkeypatch.setattr(tasks, "is_away", lambda _error: False)
    monkeypatch.setattr(tasks, "_one_round", away_for(1))
    with pytest.raises(OperationalError):
        tasks.heartbeat()


@pytest.fixture
def queue(monkeypatch, db):
    """Where its database has the task after three tries."""
    ask = away_for(3)
    monkeypatch.setattr(ORM, "dequeue", lambda _queue: ask() or ["task"])
    monkeypatch.setattr(database_queue, "AGAIN_AFTER", 0)
    monkeypatch.setattr(database_queue.connections, "close_all", lambda: None)
    return DatabaseQueue(list_key="ours")


def test_the_queue_waits_for_its_database(queue, monkeypatch):
    monkeypatch.setattr(database_queue, "is_away", lambda _error: True)
    assert [queue.dequeue() for _try in range(4)] == [None, None, None, ["task"]]


def test_another_fault_of_the_queue_is_one(queue, monkeypatch):
    monkeypatch.setattr(database_queue, "is_away", lambda _error: False)
    with pytest.raises(OperationalError):
        queue.dequeue()


@pytest.mark.parametrize(("is_away", "said"), [(True, []), (False, ["Could not create task from schedule"])])
def test_what_django_q_writes_of_a_database_that_is_away_is_left_to_the_supervisor(monkeypatch, caplog, is_away, said):
    monkeypatch.setattr(database_lock, "is_away", lambda _error: is_away)
    try:
        away_for(1)()
    except OperationalError:
        logging.getLogger("django-q").exception("Could not create task from schedule")

    assert caplog.messages == said


def test_the_supervisor_says_once_that_it_is_away_and_once_that_it_is_there_again(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    tries = iter([pulse.NoPulseError("connection refused\n\tIs it running?")] * 3 + [pulse.Pulse(1, 0)] * 2)

    def read(_file, _machine):
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(supervision.pulse, "read", read)
    supervisor = Supervisor(
        None,
        None,
        machine="",
        data=tmp_path,
        sqlite_file=None,
        patience=Patience(),
        manager=ServiceManager.taken_from({}),
    )
    for look in range(5):
        assert supervisor._why_the_cluster_is_dead(look) == ""

    assert caplog.messages == ["the database is away: connection refused", "the database is there again"]
