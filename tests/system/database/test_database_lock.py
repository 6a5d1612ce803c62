"""A database that another process has locked: the page that says so, and what is left of the error."""

import sqlite3
from contextlib import closing

import pytest
from django.db import OperationalError, connection

from pbxcerts.system.database.database_lock import is_locked, let_go_of
from pbxcerts.system.models import General


@pytest.fixture
def locked(monkeypatch, viewer_client):
    """A page whose database is locked. The error is as Django makes it; where it comes from, there is no page that waits."""

    def refuse(*_arguments, **_options):
        raise OperationalError("database is locked")

    monkeypatch.setattr(
        "pbxcerts.system.views.events.EventMessage.objects", type("Locked", (), {"__getattr__": refuse})()
    )
    viewer_client.raise_request_exception = False
    General.load()
    General.objects.update(language="en")
    return viewer_client


def test_the_page_says_that_it_is_locked_and_what_to_do(locked, caplog):
    response = locked.get("/system/events/")

    assert response.status_code == 503
    html = response.content.decode()
    assert "Another process has locked the database" in html
    assert "order it once more" in html
    assert "Traceback" not in html
    assert "Content-Security-Policy" in response.headers


@pytest.mark.parametrize(
    ("error", "locked"),
    [
        (OperationalError("database is locked"), True),
        (OperationalError("database table is locked: x"), True),
        (OperationalError("no such table: x"), False),
        (sqlite3.OperationalError("database is locked"), False),
        (ValueError("database is locked"), False),
        (None, False),
    ],
)
def test_it_is_known_by_its_error(error, locked):
    assert is_locked(error) is locked


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite locks all of a database")
def test_a_real_lock_is_known_and_what_is_let_go_of_holds_no_cursor(tmp_path):
    place = tmp_path / "database"
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(place, timeout=0)) as ours:

            def ask():
                cursor = ours.cursor()
                with connection.wrap_database_errors:
                    cursor.execute("SELECT 1 FROM sqlite_master")

            with pytest.raises(OperationalError) as raised:
                ask()

    error = raised.value
    assert is_locked(error)
    holders = [frame.f_locals for frame in _frames(error) if "cursor" in frame.f_locals]
    assert holders
    let_go_of(error)
    assert not [frame for frame in _frames(error) if "cursor" in frame.f_locals]


def _frames(error):
    while error is not None:
        step = error.__traceback__
        while step is not None:
            yield step.tb_frame
            step = step.tb_next
        error = error.__cause__
