"""The commands as a script meets them: exit code, stdout, stderr, and no traceback."""

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError

from pbxcerts import __version__
from pbxcerts.system.commands import CommandFailed, OperatorCommand
from tests.support import forked
from tests.support.made_once import made_once
from tests.support.product import copy_new_database

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "import django; django.setup(); from pbxcerts.processes import startup; startup.prepare()"


class Machine:
    """An installation of its own, asked through real processes."""

    def __init__(self, data: Path) -> None:
        self.data = data
        names = {name: value for name, value in os.environ.items() if not name.startswith("PBXCERTS_")}
        self.environment = names | {"PBXCERTS_DATA": str(data), "DJANGO_SETTINGS_MODULE": "pbxcerts.settings"}

    def install(self) -> None:
        self.data.mkdir(mode=0o700)
        copy_new_database(self.data / "pbxcerts.sqlite3")
        forked.run([sys.executable, "-c", INSTALL], cwd=ROOT, env=self.environment, check=True, timeout=120)

    def start(self, *arguments: str) -> forked.Popen:
        return forked.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> tuple[int, bytes, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err.decode()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "data")


def an_installation(data):
    """In English, with a first pair."""
    machine = Machine(data)
    machine.install()
    settings = ["fqdn=pbx.example.com", "key_type=p256", "language=en", "time_zone=Europe/Zurich"]
    assert machine.run("settings", *settings)[0] == 0
    code, _out, err = machine.run("regenerate", "--without-clock")
    assert code == 0, err


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What a test leaves, the others find."""
    machine = Machine(tmp_path_factory.mktemp("installed") / "data")
    shutil.copytree(made_once("installation", an_installation), machine.data, symlinks=True)
    return machine


def test_json_is_one_object_on_stdout_and_nothing_else(installed):
    code, out, err = installed.run("status", "--json")

    assert code == 0
    assert json.loads(out)["published"] == {
        "current": 1,
        "store": "same",
        "matches": True,
        "differences": [],
        "failure": None,
        "unread_keys": [],
    }
    assert err == ""


def test_an_error_is_one_sentence_on_stderr(installed):
    code, out, err = installed.run("regenerate")

    assert code == 3
    assert out == b""
    assert err.count("\n") == 1
    assert "--without-clock" in err


def test_with_json_the_error_is_an_object_on_stdout_too(installed):
    code, out, err = installed.run("rollback", "--json")

    assert code == 3
    error = json.loads(out)["error"]
    assert error["code"] == "state"
    assert err == error["text"] + "\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "key"],
        ["export", "host", "--format", "pfx"],
        ["deadline"],
        ["withdraw", "seven"],
        ["regenerate", "--at-noon"],
        ["settings", "interval_days=0"],
        ["nosuch"],
        ["help", "nosuch"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_code_2(installed, arguments):
    code, out, err = installed.run(*arguments, "--json")

    assert code == 2
    assert json.loads(out)["error"]["code"] in {"usage", "value"}
    assert "Traceback" not in err


def test_a_command_that_does_not_exist_is_named(installed):
    code, out, err = installed.run("nosuch")

    assert (code, out) == (2, b"")
    assert err.count("\n") == 1
    assert "nosuch" in err


def test_a_bad_variable_is_to_blame_before_the_command(installed):
    installed.environment["PBXCERTS_PLAIN_HTTP"] = "perhaps"
    try:
        code, out, err = installed.run("status", "--json")
    finally:
        del installed.environment["PBXCERTS_PLAIN_HTTP"]

    assert code == 1
    assert json.loads(out)["error"]["code"] == "configuration"
    assert "PBXCERTS_PLAIN_HTTP" in err


def test_der_reaches_stdout_byte_for_byte(installed):
    code, out, err = installed.run("export", "host", "--format", "der")

    assert (code, err) == (0, "")
    assert out == (installed.data / "store" / "current" / "host.der").read_bytes()


def test_without_an_installation_no_database_is_left_behind(machine):
    code, out, err = machine.run("status", "--json")

    assert code == 1
    assert json.loads(out)["error"]["code"] == "not_installed"
    assert str(machine.data) in err
    assert not machine.data.exists()


def test_a_database_without_tables_is_told(machine):
    machine.data.mkdir(mode=0o700)
    sqlite3.connect(machine.data / "pbxcerts.sqlite3").close()

    code, _out, err = machine.run("status")

    assert code == 1
    assert err.count("\n") == 1
    assert "pbxcerts migrate" in err


def test_a_file_that_is_no_database_is_told(machine):
    machine.data.mkdir(mode=0o700)
    (machine.data / "pbxcerts.sqlite3").write_text("no database " * 100)

    code, _out, err = machine.run("status")

    assert code == 1
    assert "Traceback" not in err


def test_a_data_directory_that_can_not_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")

    code, out, err = Machine(tmp_path / "file" / "data").run("status", "--json")

    assert code == 1
    assert json.loads(out)["error"]["code"] == "not_installed"
    assert str(tmp_path / "file" / "data") in err
    assert "PBXCERTS_DATA" in err
    assert "Traceback" not in err


def test_a_database_that_a_newer_version_has_changed_is_refused(machine):
    machine.install()
    before = machine.run("status")
    from_the_future = machine.data / "pbxcerts.sqlite3"
    with closing(sqlite3.connect(from_the_future)) as database, database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('terminals', '0999_of_tomorrow', '2031-01-01')"
        )
        # One that a library has given up is no sign of a newer version.
        database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('axes', '0001', '2021-01-01')")

    refused = {command: machine.run(command, "--json") for command in ("status", "settings", "publish", "heartbeat")}
    migrated = machine.run("migrate")

    assert before[0] == 0, before
    assert {json.loads(out)["error"]["code"] for _code, out, _err in refused.values()} == {"newer_database"}
    for code, _out, err in [*refused.values(), migrated]:
        assert code == 1
        assert err.count("\n") == 1
        assert "terminals.0999_of_tomorrow" in err
        assert __version__ in err


@pytest.mark.parametrize("word", ["--version", "version"])
def test_the_version_is_told_also_where_nothing_can_be_read(machine, word):
    machine.environment["PBXCERTS_PLAIN_HTTP"] = "perhaps"

    assert machine.run(word) == (0, f"{__version__}\n".encode(), "")
    assert not machine.data.exists()


def test_a_command_tells_the_version_of_the_product_not_that_of_django(machine):
    assert machine.run("status", "--version")[1] == f"{__version__}\n".encode()
    assert machine.run("up", "--version")[1] == f"{__version__}\n".encode()


def test_while_a_worker_publishes_the_order_waits_and_is_then_carried_out(machine):
    machine.install()
    assert machine.run("settings", "fqdn=pbx.example.com", "key_type=p256")[0] == 0
    (machine.data / "store").mkdir(mode=0o700)
    descriptor = os.open(machine.data / "store" / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    process = machine.start("regenerate", "--without-clock", "--json")
    database = sqlite3.connect(f"file:{machine.data / 'pbxcerts.sqlite3'}?mode=ro", uri=True)
    try:
        while not database.execute("SELECT 1 FROM certificates_generation").fetchall():
            assert process.poll() is None
            time.sleep(0.05)
        ordered = database.execute("SELECT state FROM certificates_generation").fetchall()
    finally:
        database.close()
        os.close(descriptor)
    # The worker's heartbeat and the command both want it now; whoever is first, it is made once.
    worker = machine.start("heartbeat")
    out, err = process.communicate(timeout=120)
    worker.communicate(timeout=120)

    assert ordered == [("making",)]
    assert process.returncode == 0, err
    assert worker.returncode == 0
    assert json.loads(out)["generation"]["state"] == "active"
    assert json.loads(machine.run("status", "--json")[1])["published"]["matches"]


class Locked(OperatorCommand):
    """A command whose database another process has locked for longer than SQLite waits."""

    def act(self, general, options):
        raise OperationalError("database is locked")


def test_a_locked_database_is_told(installation):
    ran = installation.run(Locked())

    assert isinstance(ran.error, CommandFailed)
    assert (ran.exit_code, ran.error.code) == (1, "database")
    assert "locked by another process" in str(ran.error)
