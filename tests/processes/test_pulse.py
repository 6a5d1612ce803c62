import sqlite3
from contextlib import closing

import pytest
from django.apps import apps

from pbxcerts.processes import pulse
from pbxcerts.processes.pulse import NoPulseError, Pulse


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "a name with ? and #.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE system_heartbeat (key, beats); CREATE TABLE django_q_ormq (key);"
        )
    return file


def execute(database, statement):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


def test_it_reads_the_beats_and_the_waiting_tasks_of_its_own_machine(database):
    execute(database, "INSERT INTO system_heartbeat VALUES ('fe', 7), ('ab', 8)")
    execute(database, "INSERT INTO django_q_ormq VALUES ('pbxcerts-fe'), ('pbxcerts-fe'), ('pbxcerts-ab')")

    assert pulse.read(database, "fe") == Pulse(beats=7, waiting=2)


def test_before_the_first_heartbeat_there_is_none(database):
    assert pulse.read(database, "fe") == Pulse(beats=0, waiting=0)


def test_a_database_that_cannot_be_read_has_no_pulse(tmp_path):
    with pytest.raises(NoPulseError):
        pulse.read(tmp_path / "missing.sqlite3", "fe")
    assert list(tmp_path.iterdir()) == []


def test_the_tables_are_those_of_the_models():
    heartbeat = apps.get_model("system", "Heartbeat")._meta
    queue = apps.get_model("django_q", "OrmQ")._meta

    beats, key = (heartbeat.get_field(name).column for name in ("beats", "key"))
    assert f"SELECT {beats} FROM {heartbeat.db_table} WHERE {key} = '{{machine}}'" == pulse.BEATS
    assert f"SELECT count(*) FROM {queue.db_table} WHERE {queue.get_field('key').column} = '{{queue}}'" == pulse.WAITING
