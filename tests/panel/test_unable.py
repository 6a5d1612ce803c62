"""The pages while this machine can't work: they say why, and what to do (rule same-secrets)."""

import logging

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection

from pbxcerts.panel import error_pages
from pbxcerts.system.database.database_lock import is_away
from pbxcerts.system.models import General
from pbxcerts.system.run_files import OTHER_MACHINES, OtherMachine, broker_is_away, tell_broker_away
from terminals.web.snapshot import read_snapshot
from tests.support.machines import OTHER


@pytest.fixture(autouse=True)
def _own_data(settings, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "django")
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()


def refused(settings, why):
    OTHER_MACHINES.write(settings.DATA, {OTHER: OtherMachine("west", publishes=True, refuses_us=why)})


@pytest.mark.parametrize(("why", "file"), [("secret_key", "secrets/django.key"), ("key_list", "secrets/host-keys.key")])
def test_with_other_secrets_every_page_is_503_and_names_the_file_to_copy(viewer_client, settings, why, file):
    refused(settings, why)
    response = viewer_client.get("/certificates/", headers={"Accept-Language": "en"})

    assert response.status_code == 503
    assert file in response.content.decode()
    assert "Content-Security-Policy" in response.headers


def test_telephones_get_no_files_then_and_again_when_it_is_put_right(db, settings):
    refused(settings, "key_list")
    assert read_snapshot().rests
    refused(settings, "")
    assert not read_snapshot().rests


@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("the connection is closed")])
def test_while_the_database_is_away_the_page_is_503_and_says_so(viewer_client, monkeypatch, error):
    monkeypatch.setattr(error_pages, "is_away", lambda found: found is error)

    def load():
        raise error

    monkeypatch.setattr(General, "load", load)
    viewer_client.raise_request_exception = False
    response = viewer_client.get("/certificates/", headers={"Accept-Language": "en"})

    assert response.status_code == 503
    assert "The database does not answer" in response.content.decode()
    assert response.headers["Retry-After"] == "5"


def test_the_log_says_once_that_it_is_away_and_once_that_it_is_there_again(viewer_client, monkeypatch, caplog):
    error = OperationalError("connection refused\nIs the server running?")
    monkeypatch.setattr(error_pages, "is_away", lambda found: found is error)
    error_pages.outage.is_over()
    caplog.clear()
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "django")

    def load():
        raise error

    viewer_client.raise_request_exception = False
    with monkeypatch.context() as away:
        away.setattr(General, "load", load)
        for _request in range(3):
            assert viewer_client.get("/certificates/").status_code == 503
    for _request in range(2):
        assert viewer_client.get("/certificates/").status_code == 200

    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("WARNING", "the database is away: connection refused", None),
        ("INFO", "pages are made of what the database says again", None),
    ]


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (caused(OperationalError(), psycopg.OperationalError("connection refused")), True),
        (caused(OperationalError(), psycopg.errors.AdminShutdown()), True),
        (caused(OperationalError(), psycopg.errors.CannotConnectNow()), True),
        (caused(InterfaceError(), psycopg.InterfaceError("the connection is closed")), True),
        (caused(OperationalError(), psycopg.errors.DeadlockDetected()), False),
        (caused(OperationalError(), psycopg.errors.DiskFull()), False),
        (ValueError(), False),
        (None, False),
    ],
)
def test_away_is_what_ends_when_the_server_is_back(monkeypatch, error, expected):
    monkeypatch.setattr(connection, "vendor", "postgresql")
    assert is_away(error) is expected


def test_a_database_in_a_file_is_never_away():
    if connection.vendor == "sqlite":
        assert not is_away(OperationalError("disk I/O error"))


def test_a_broker_that_is_away_is_on_every_page_until_it_is_back(viewer_client, settings):
    tell_broker_away(settings.DATA, is_away=True)
    assert "Redis" in viewer_client.get("/system/events/").content.decode()
    tell_broker_away(settings.DATA, is_away=False)
    assert not broker_is_away(settings.DATA)
    assert "Redis" not in viewer_client.get("/system/events/").content.decode()
