"""A PostgreSQL that is away, lets nobody in, or is too old: what and what to do is said in one line, without the password."""

import json

import pytest

from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.ports import free_port
from tests.support.postgresql import PASSWORD, installed_database
from tests.support.product import Product
from tests.support.running import MANAGE

pytestmark = pytest.mark.peer

TOO_OLD = """
import sys
from django.db.backends.postgresql.features import DatabaseFeatures
DatabaseFeatures.minimum_database_version = (99,)
from pbxcerts.__main__ import main
main()
"""
COMMANDS = (
    ["up", "--bind", "127.0.0.1:0"],
    ["status"],
    ["migrate"],
    ["check", "--deploy"],
    ["createsuperuser", "--noinput"],
)


def said(directory, database, command, program=(str(MANAGE),)):
    """What a command says on stderr; it must be one line, and the exit status 1."""
    process = Product(directory, PBXCERTS_DATABASE=database).command(*program, *command)
    _output, error = process.communicate(timeout=60)
    assert process.returncode == 1, error
    return error


def in_one_line(text):
    assert text.endswith("\n"), text
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("command", COMMANDS[:3] + COMMANDS[4:], ids=lambda command: command[0])
def test_where_nobody_listens_it_is_said_which_database_and_what_to_do(tmp_path, command):
    port = free_port()
    text = in_one_line(said(tmp_path, f"postgresql://anna:kettle%3A7@127.0.0.1:{port}/phones", command))

    assert f"Zur Datenbank „phones“ auf 127.0.0.1:{port} gibt es keinen Weg." in text
    assert "PBXCERTS_DATABASE" in text
    assert "(connection to server" in text
    assert "kettle" not in text


def test_scripts_are_told_it_too(tmp_path):
    process = Product(tmp_path, PBXCERTS_DATABASE=f"postgresql://anna:kettle@127.0.0.1:{free_port()}/phones").command(
        str(MANAGE), "status", "--json"
    )
    output, _error = process.communicate(timeout=60)

    error = json.loads(output)["error"]
    assert error["code"] == "database"
    assert "phones" in error["text"]


@pytest.mark.parametrize("command", COMMANDS[:3], ids=lambda command: command[0])
def test_a_wrong_password_is_not_told_as_a_server_that_is_away(tmp_path, postgresql, command):  # noqa: F811 - the fixture
    server = postgresql.rpartition("@")[2]
    text = in_one_line(said(tmp_path, f"postgresql://pbx%20certs:copper-kettle@{server}/phones", command))

    assert "PostgreSQL lässt pbxcerts nicht in die Datenbank „phones“" in text
    assert "„pbx certs“" in text
    assert "(password authentication failed" in text
    assert "copper-kettle" not in text


def test_a_database_that_is_missing_is_named(tmp_path, postgresql):  # noqa: F811 - the fixture
    text = in_one_line(said(tmp_path, f"{postgresql}/nowhere", ["up", "--bind", "127.0.0.1:0"]))

    assert "nicht in die Datenbank „nowhere“" in text
    assert '(database "nowhere" does not exist)' in text
    assert PASSWORD not in text


@pytest.mark.parametrize("command", COMMANDS[:3], ids=lambda command: command[0])
def test_a_postgresql_that_is_too_old_is_refused_by_its_version(tmp_path, postgresql, command):  # noqa: F811 - the fixture
    text = in_one_line(said(tmp_path, installed_database(postgresql), command, program=("-c", TOO_OLD)))

    assert "ist ein PostgreSQL 1" in text
    assert "Nötig ist Version 99 oder eine spätere." in text


def test_the_check_says_it_in_the_same_words(tmp_path, postgresql):  # noqa: F811 - the fixture
    database = installed_database(postgresql)
    assert "Nötig ist Version 99" in said(tmp_path, database, ["check", "--deploy"], program=("-c", TOO_OLD))
    away = said(tmp_path, f"postgresql://anna@127.0.0.1:{free_port()}/phones", ["check", "--deploy"])
    assert "(pbxcerts.E006) Zur Datenbank „phones“" in away
