"""The environment variables that name a database and a broker."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from pbxcerts import env

FILE = Path("pbxcerts.sqlite3")


def test_the_queue_repeats_and_catches_up_on_nothing():
    """A task that runs is not started twice, and one that was missed is not made up for: the next heartbeat is due anyway."""
    queue = settings.Q_CLUSTER
    assert (queue["catch_up"], queue["max_attempts"], queue["save_limit"]) == (False, 1, -1)
    assert queue["retry"] > queue["timeout"]
    assert queue["poll"] <= 1


def test_sqlite_waits_for_its_turn_and_takes_the_lock_before_it_reads(monkeypatch):
    monkeypatch.delenv("PBXCERTS_DATABASE", raising=False)
    read = env.database("DATABASE", FILE)
    assert read["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert read["OPTIONS"]["timeout"] >= 10
    assert "journal_mode=WAL" in read["OPTIONS"]["init_command"]
    assert read["CONN_MAX_AGE"] is None


def test_it_is_installed_as_a_command_of_its_own():
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    assert scripts["pbxcerts"] == "pbxcerts.__main__:main"
    assert scripts["pbxcerts-agent"] == "terminals.agent.__main__:main"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://pbx:secret@db.example.org:6432/certs",
        "postgres://pbx%20certs:p%40ss%2Fword%3A@[2001:db8::1]:5432/two%20words",
        "postgresql:///certs?host=/run/postgresql",
        "postgresql://pbx@db.example.org/certs?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem",
    ],
)
def test_django_and_libpq_read_the_same_out_of_the_url_of_a_database(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_DATABASE", url)
    read = env.database("DATABASE", FILE)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    by_django = {libpq: read[django] for django, libpq in names.items() if read[django]} | read["OPTIONS"]

    assert by_django == conninfo_to_dict(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://pbx:secret@db.example.org/certs",
        "postgresql://pbx:secret@db.example.org:port/certs",
        "postgresql://pbx:secret@db.example.org:99999/certs",
        "postgresql://pbx:secret@db.example.org/",
        "pbxcerts",
    ],
)
def test_another_database_is_refused_without_telling_the_password(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_DATABASE", url)
    with pytest.raises(ImproperlyConfigured, match="PBXCERTS_DATABASE must be postgresql://") as refusal:
        env.database("DATABASE", FILE)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "redis://:secret@broker.example.org:6379/0", "unix:///run/redis.sock?db=1"])
def test_a_broker_is_none_or_a_redis(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_BROKER", url)
    assert env.broker("BROKER") == url


@pytest.mark.parametrize("url", ["amqp://:secret@broker.example.org", "redis://:secret@broker:port/0", "broker:6379"])
def test_another_broker_is_refused_without_telling_the_password(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_BROKER", url)
    with pytest.raises(ImproperlyConfigured, match="PBXCERTS_BROKER must be redis://") as refusal:
        env.broker("BROKER")
    assert "secret" not in str(refusal.value)
