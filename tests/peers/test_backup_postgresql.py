"""A backup of an installation whose database is a PostgreSQL of Debian, and its way back into another."""

import os
import subprocess
import sys

import psycopg
import pytest

from tests.backup.conftest import Site
from tests.peers.test_postgresql_redis import postgresql, unprivileged  # noqa: F401 - fixtures
from tests.support.backups import KeyPair
from tests.support.postgresql import PASSWORD, installed_database, new_database, program
from tests.support.product import ROOT

pytestmark = pytest.mark.peer

IS_INDEXED = "SELECT to_regclass('terminals_search') IS NOT NULL"
PROGRAMS = ("pg_dump", "pg_restore")


@pytest.fixture
def path_of_programs(tmp_path):
    """Debian has a wrapper of these in PATH; here it is the server's own version in any case."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in PROGRAMS:
        (place / name).symlink_to(program(name))
    return f"{place}:{os.environ['PATH']}"


def a_site(directory, url, path):
    return Site(directory, PBXCERTS_DATABASE=url, PATH=path)


@pytest.fixture
def site(postgresql, tmp_path, path_of_programs):  # noqa: F811 - the fixture
    return a_site(tmp_path / "site", installed_database(postgresql), path_of_programs).install()


@pytest.fixture
def elsewhere(postgresql, tmp_path, path_of_programs):  # noqa: F811 - the fixture
    return a_site(tmp_path / "elsewhere", new_database(postgresql), path_of_programs)


@pytest.fixture
def key(tmp_path):
    return KeyPair(tmp_path)


def back_up(site, key, name="one.age"):
    file = site.directory / name
    site.done("backup", file, "--recipient", key.public)
    return file


def rows(site, query):
    with psycopg.connect(site.product.environment["PBXCERTS_DATABASE"], autocommit=True) as database:
        done = database.execute(query)
        return done.fetchall() if done.description else None


def test_it_goes_on_in_another_database_under_another_path(site, elsewhere, key):
    elsewhere.done("restore", back_up(site, key), "--identity", key.file)

    assert elsewhere.states() == site.states() == {1: "active"}
    assert elsewhere.served() == site.served()
    assert rows(elsewhere, "SELECT count(*) FROM system_session") == [(0,)]
    assert rows(site, "SELECT count(*) FROM system_session") == [(1,)]
    elsewhere.done("heartbeat")
    elsewhere.done("regenerate", "--at-once", "--without-clock")
    assert elsewhere.states() == {1: "superseded", 2: "active"}


def test_the_index_of_the_search_which_the_other_server_may_not_have_is_made_by_the_next_start(site, elsewhere, key):
    assert rows(site, IS_INDEXED) == [(True,)]
    elsewhere.done("restore", back_up(site, key), "--identity", key.file)
    assert rows(elsewhere, IS_INDEXED) == [(False,)]
    elsewhere.product.run("from pbxcerts.processes import startup\nstartup.prepare()")
    assert rows(elsewhere, IS_INDEXED) == [(True,)]


def test_an_older_copy_takes_the_place_of_a_newer_one_and_adopts_what_is_served(site, key):
    file = back_up(site, key)
    site.done("regenerate", "--at-once", "--without-clock")
    served = site.served()
    code, text = site.refused("restore", file, "--identity", key.file)
    assert code == "confirmation"
    assert "2 generations" in text
    aside = site.done("restore", file, "--identity", key.file, "--replace")["restored"]["aside"]
    site.done("heartbeat")

    assert site.states() == {1: "superseded", 2: "active"}
    assert site.served() == served
    listed = subprocess.run([program("pg_restore"), "--list", f"{aside}/database.dump"], capture_output=True, text=True)
    assert "certificates_generation" in listed.stdout


def test_where_another_machine_works_on_the_database_nothing_is_touched_until_it_has_ended(site, elsewhere, key):
    """The database of a running installation named by mistake in the environment of another data directory."""
    file = back_up(site, key)
    site.done("settings", "site_name=Later")
    rows(site, "UPDATE system_heartbeat SET name = 'west'")
    elsewhere.product.environment["PBXCERTS_DATABASE"] = site.product.environment["PBXCERTS_DATABASE"]
    order = ["restore", file, "--identity", key.file, "--replace"]
    # The clock of that machine is an hour behind the database's.
    for last_run, ahead, lives in (
        ("now()", 0, True),
        ("now() - interval '62 minutes'", 3600, True),
        ("now() - interval '62 minutes'", 0, False),
    ):
        rows(site, f"UPDATE system_heartbeat SET last_run = {last_run}, database_ahead_of_machine = {ahead}")
        # Without the confirmation it gets no further.
        code, text = elsewhere.refused(*(order if lives else order[:-1]))
        assert code == ("lives_elsewhere" if lives else "confirmation")
        assert ("west" in text) is lives
    assert not elsewhere.data.exists()
    assert site.done("settings")["settings"]["site_name"] == "Later"

    rows(site, "UPDATE system_heartbeat SET last_run = now()")
    elsewhere.done(*order, "--others-ended")
    assert elsewhere.done("settings")["settings"]["site_name"] != "Later"


def test_tables_of_a_newer_version_go_and_those_of_others_stay(site, key):
    file = back_up(site, key)
    rows(site, "CREATE TABLE system_of_tomorrow (of_general boolean REFERENCES system_general (singleton))")
    rows(site, "CREATE TABLE of_others (n integer)")
    site.done("restore", file, "--identity", key.file, "--replace")

    tables = {name for (name,) in rows(site, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert "system_of_tomorrow" not in tables
    assert {"of_others", "system_general"} <= tables
    assert "of_others" not in key.opened_by_age(file).decode("latin-1")


def test_where_it_fails_in_the_middle_all_is_as_before(site, key):
    """Something in the way that comes only after most of it has been done."""
    file = back_up(site, key)
    site.done("settings", "site_name=Later")
    (index,) = rows(
        site,
        "SELECT indexname FROM pg_indexes WHERE tablename = 'terminals_terminal' AND indexdef LIKE 'CREATE INDEX % USING btree %' LIMIT 1",
    )
    rows(site, "CREATE TABLE of_others (n integer)")
    rows(site, f'ALTER INDEX "{index[0]}" RENAME TO "moved"')
    rows(site, f'CREATE INDEX "{index[0]}" ON of_others (n)')
    before = site.files()
    code, text = site.refused("restore", file, "--identity", key.file, "--replace")

    assert code == "unfit"
    assert index[0] in text
    assert site.done("settings")["settings"]["site_name"] == "Later"
    assert {name: content for name, content in site.files().items() if not name.startswith("run/")} == {
        name: content for name, content in before.items() if not name.startswith("run/")
    }


def test_the_password_stands_on_no_command_line(site, key, tmp_path):
    """What each program is called with is written down in its place."""
    place = tmp_path / "watched"
    place.mkdir()
    for name in PROGRAMS:
        watching = f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/called\nexec {program(name)} "$@"\n'
        (place / name).write_text(watching)
        (place / name).chmod(0o755)
    site.product.environment["PATH"] = f"{place}:{os.environ['PATH']}"
    site.done("restore", back_up(site, key), "--identity", key.file, "--replace")

    called = (tmp_path / "called").read_text()
    assert "pg_dump" in called
    assert "pg_restore" in called
    assert PASSWORD not in called
    assert "kettles" not in called


@pytest.mark.parametrize("name", PROGRAMS)
def test_without_the_client_it_says_what_to_install(site, key, tmp_path, name):
    file = back_up(site, key)
    place = tmp_path / "only"
    place.mkdir()
    for other in {*PROGRAMS} - {name}:
        (place / other).symlink_to(program(other))
    site.product.environment["PATH"] = str(place)
    order = ["backup", site.directory / "two.age", "--recipient", key.public]
    if name == "pg_restore":
        order = ["restore", file, "--identity", key.file, "--replace"]
    _code, text = site.refused(*order)

    assert name in text
    assert "postgresql-client" in text
    assert not (site.directory / "two.age").exists()


def test_while_the_database_is_away_it_says_so_and_leaves_nothing(site, elsewhere, key):
    file = back_up(site, key)
    site.product.environment["PBXCERTS_DATABASE"] = "postgresql://nobody:x@127.0.0.1:1/nothing"
    before = site.files()
    for order in (
        ["backup", "two.age", "--recipient", key.public],
        ["restore", file, "--identity", key.file],
        ["restore", file, "--identity", key.file, "--replace"],
    ):
        code, text = site.refused(*order)
        assert code == "database"
        assert "127.0.0.1:1" in text
        assert "PBXCERTS_DATABASE" in text
    assert not (site.directory / "two.age").exists()
    assert {name for name in site.files() if not name.startswith("run/")} == {
        name for name in before if not name.startswith("run/")
    }
    elsewhere.product.environment["PBXCERTS_DATABASE"] = "postgresql://nobody:x@127.0.0.1:1/nothing"
    code, text = elsewhere.refused("restore", file, "--identity", key.file)
    assert code == "database"
    assert "127.0.0.1:1" in text
    assert not elsewhere.data.exists()


# -- another machine comes meanwhile -----------------------------------------------------------------------------------

START = "from pbxcerts.processes import startup\nstartup.prepare()"
BEAT = "from pbxcerts import tasks\ntasks.heartbeat()"
LET_COME = """#!{python}
import os, subprocess, sys, time
import psycopg

def locks(query):
    with psycopg.connect({url!r}, autocommit=True) as database:
        return database.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND " + query).fetchone()[0]

def wait_for(query):
    for _look in range(300):
        if locks(query):
            return
        time.sleep(0.1)
    sys.exit("nobody has taken it, or nobody waits for it")

if {when!r} in sys.argv:
    if {waits!r}:
        wait_for("granted")
    came = subprocess.Popen(
        [sys.executable, "-c", "import django; django.setup()\\n" + {code!r}],
        cwd={root!r}, env={environment!r}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    if {waits!r}:
        wait_for("NOT granted")
    elif came.wait():
        sys.exit("it did not come")
os.execv({program!r}, sys.argv)
"""


def let_come(site, elsewhere, name, *, when, code, waits=False):
    """While `elsewhere` restores into the database of `site`, this one comes: when `name` is called with `when`. `waits`: as soon as that
    is kept from coming, and it is to wait.
    """
    place = elsewhere.directory / "bin"
    place.mkdir()
    for other in PROGRAMS:
        (place / other).symlink_to(program(other))
    (place / name).unlink()
    (place / name).write_text(
        LET_COME.format(
            python=sys.executable,
            url=site.product.environment["PBXCERTS_DATABASE"],
            when=when,
            waits=waits,
            code=code,
            root=str(ROOT),
            environment=site.product.environment,
            program=program(name),
        )
    )
    (place / name).chmod(0o755)
    elsewhere.product.environment["PATH"] = str(place)
    elsewhere.product.environment["PBXCERTS_DATABASE"] = site.product.environment["PBXCERTS_DATABASE"]
    site.done("settings", "site_name=Later")
    rows(site, "UPDATE system_heartbeat SET name = 'west', last_run = now() - interval '62 minutes'")


@pytest.mark.parametrize("code", [START, BEAT, "pass"], ids=["starts", "beats", "does nothing"])
def test_a_machine_that_comes_after_the_look_at_all_of_them_is_noticed(site, elsewhere, key, code):
    file = back_up(site, key)
    let_come(site, elsewhere, "pg_dump", when="--format=custom", code=code)
    order = ["restore", file, "--identity", key.file, "--replace"]
    if code == "pass":
        elsewhere.done(*order)
        assert site.done("settings")["settings"]["site_name"] != "Later"
        return
    said, text = elsewhere.refused(*order)

    assert said == "lives_elsewhere"
    assert "meanwhile" in text
    assert site.done("settings")["settings"]["site_name"] == "Later"
    assert not elsewhere.data.exists()


def test_a_machine_that_starts_during_the_restore_waits_for_its_end(site, elsewhere, key):
    file = back_up(site, key)
    let_come(site, elsewhere, "pg_restore", when="--no-owner", code=START, waits=True)
    elsewhere.done("restore", file, "--identity", key.file, "--replace")

    assert site.done("settings")["settings"]["site_name"] != "Later"
