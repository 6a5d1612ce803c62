"""What `check --deploy` finds has an id that stays (rule deploy-checks)."""

import grp
import os
import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import NotSupportedError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from pbxcerts.health import deploy_checks
from pbxcerts.health.deploy_checks import deployment
from pbxcerts.system import free_room
from tests.support.product import ROOT

Disk = namedtuple("Disk", "f_bavail f_frsize f_files f_favail")


@pytest.fixture
def place(tmp_path, settings, db, monkeypatch):
    """A deployment with nothing wrong."""
    settings.DATA, settings.STORE = tmp_path / "data", tmp_path / "store"
    settings.KEY_FILE = settings.DATA / "secrets" / "host-keys.key"
    settings.SECRET_KEY_FILE = settings.DATA / "secrets" / "django.key"
    settings.ALLOWED_HOSTS = ["panel.example.org"]
    for directory in (settings.DATA / "secrets", settings.DATA / "run", settings.STORE / "generations" / "0001"):
        directory.mkdir(parents=True, mode=0o700)
    for file in (settings.KEY_FILE, settings.SECRET_KEY_FILE, settings.STORE / "generations" / "0001" / "host.key"):
        file.touch(mode=0o600)
    monkeypatch.setattr(free_room.os, "statvfs", lambda _place: Disk(10**9, 4096, 10**6, 10**6))
    return settings


def ids():
    return [message.id.removeprefix("pbxcerts.") for message in deployment()]


def test_nothing_is_found_where_nothing_is_wrong(place):
    assert ids() == []


def test_they_are_among_those_of_a_deployment_only(place):
    place.ALLOWED_HOSTS = ["*"]
    found = [message.id for message in run_checks(include_deployment_checks=True)]

    assert "pbxcerts.W003" in found
    assert "pbxcerts.W003" not in [message.id for message in run_checks()]


@pytest.mark.parametrize("of", ["KEY_FILE", "SECRET_KEY_FILE"])
def test_a_secret_of_ours_that_others_can_read(place, of):
    getattr(place, of).chmod(0o640)

    assert ids() == ["E001"]
    assert "0640" in deployment()[0].msg


def test_a_secret_elsewhere_may_be_a_groups_but_not_everybodys(place, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.touch()
    monkeypatch.setenv("PBXCERTS_METRICS_TOKEN_FILE", str(token))
    token.chmod(0o640)
    assert ids() == []
    token.chmod(0o644)
    assert ids() == ["W001"]


def test_a_host_key_that_others_can_read(place):
    key = place.STORE / "generations" / "0001" / "host.key"
    key.chmod(0o640)
    assert ids() == ["E002"]
    place.STORE_GROUP = grp.getgrgid(os.getegid()).gr_name
    assert ids() == []
    key.chmod(0o644)
    assert ids() == ["E002"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"TRUSTED_PROXIES": ["192.0.2.1", "2001:db8::/32"]}, []),
        ({"TRUSTED_PROXIES": ["proxy.example.org"]}, ["E003"]),
        ({"TRUSTED_PROXIES": ["*"]}, ["W002"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["W003"]),
        ({"TRUSTED_PROXIES": ["192.0.2.1"], "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"]}, ["W004"]),
        ({"ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"]}, []),
        ({"PLAIN_HTTP": True}, ["W005"]),
        ({"PLAIN_HTTP": True, "TRUSTED_PROXIES": ["192.0.2.1"]}, []),
        ({"SECURE_HSTS_SECONDS": 60}, ["W006"]),
        ({"SECURE_HSTS_SECONDS": 60, "TRUSTED_PROXIES": ["192.0.2.1"]}, []),
        ({"METRICS_TOKEN": "guess me"}, ["W009"]),
        ({"METRICS_TOKEN": "c8e1b6f0a7d94e52b3f1"}, []),
    ],
)
def test_proxies_hosts_and_the_token(place, values, found):
    for name, value in values.items():
        setattr(place, name, value)

    assert ids() == found


@pytest.mark.parametrize(
    ("disk", "found"),
    [
        (Disk(19, 10**6, 10**6, 10**6), "E004"),
        (Disk(10**6, 10**6, 10**6, 0), "E004"),
        (Disk(249, 10**6, 10**6, 10**6), "W007"),
        (Disk(250, 10**6, 10**6, 10**6), None),
        # A file system that counts no files (btrfs).
        (Disk(250, 10**6, 0, 0), None),
    ],
)
def test_the_room_on_the_disk(place, monkeypatch, disk, found):
    monkeypatch.setattr(free_room.os, "statvfs", lambda _place: disk)

    assert ids() == ([found] * 2 if found else [])


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (NotSupportedError("PostgreSQL 14 or later is required (found 13.4)."), "E005"),
        (OperationalError("away"), "E006"),
    ],
)
def test_a_database_that_will_not_do(place, monkeypatch, error, found):
    def fails():
        raise error

    # Not for longer: what tidies up after a test needs it too.
    with monkeypatch.context() as patch:
        patch.setattr(connection, "ensure_connection", fails)
        assert ids() == [found]


def test_a_postgresql_without_the_extension_for_the_search(place, monkeypatch):
    """As it is with a real one tests/peers/test_search_postgresql.py tells."""
    with monkeypatch.context() as patch:
        patch.setattr(connection, "vendor", "postgresql")
        for is_there, found in ((True, []), (False, ["W010"])):
            patch.setattr(deploy_checks.search_index, "is_there", lambda _database, is_there=is_there: is_there)
            assert ids() == found


def test_a_database_of_a_newer_version(place):
    MigrationRecorder(connection).record_applied("terminals", "9999_of_tomorrow")

    assert ids() == ["E007"]


def test_a_database_of_an_older_version(place):
    migration = MigrationRecorder.Migration.objects.filter(app="terminals").order_by("-pk").first()
    migration.delete()

    assert ids() == ["W008"]


@pytest.mark.process
def test_nothing_is_made_where_nothing_is_installed(tmp_path):
    nowhere = tmp_path / "data"
    nowhere.mkdir()
    changes = {
        "DJANGO_SETTINGS_MODULE": "pbxcerts.settings",
        "PBXCERTS_DATA": str(nowhere),
        "PBXCERTS_SECURE_COOKIES": "True",
        "PBXCERTS_STORE_GROUP": "no-such-group",
    }
    command = [sys.executable, ROOT / "manage.py", "check", "--deploy"]
    done = subprocess.run(command, env=os.environ | changes, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert re.findall(r"\((pbxcerts\.\w+)\)", done.stderr) == ["pbxcerts.E008"]
    assert [*nowhere.iterdir()] == []


def test_a_group_that_does_not_exist(place):
    place.STORE_GROUP = "no-such-group"

    assert ids() == ["E008"]


def test_a_group_that_is_not_ours(place, monkeypatch):
    place.STORE_GROUP = "daemon"
    monkeypatch.setattr(deploy_checks.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(deploy_checks.os, "getegid", lambda: 1000)
    monkeypatch.setattr(deploy_checks.os, "getgroups", lambda: [1000])
    assert ids() == ["E009"]
    monkeypatch.setattr(deploy_checks.os, "getgroups", lambda: [1000, grp.getgrnam("daemon").gr_gid])
    assert ids() == []


def test_a_reload_command_that_cannot_be_run(place, tmp_path):
    program = tmp_path / "reload"
    place.RELOAD_COMMAND = [str(program), "now"]
    assert ids() == ["E010"]
    program.touch(mode=0o644)
    assert ids() == ["E010"]
    program.chmod(0o755)
    assert ids() == []
    # By its name it is looked for as it will be.
    place.RELOAD_COMMAND, place.RELOAD_ENVIRONMENT = ["reload"], {"PATH": str(tmp_path)}
    assert ids() == []
    place.RELOAD_ENVIRONMENT = {"PATH": "/nowhere"}
    assert ids() == ["E010"]


def test_the_worst_comes_first(place):
    place.ALLOWED_HOSTS, place.STORE_GROUP = ["*"], "no-such-group"

    assert ids() == ["E008", "W003"]


def test_each_id_stands_in_the_rules_and_is_tried_here():
    code = Path(deploy_checks.__file__).read_text()
    kinds = {"_error": "E", "_warning": "W"}
    made = {
        f"{kinds[kind]}{int(number):03}" for kind, number in re.findall(r"yield (_error|_warning)\(\s*(\d+),", code)
    }
    documented = set(re.findall(r"`pbxcerts\.([EW]\d{3})`", (ROOT / "pbxcerts" / "README.md").read_text()))
    tried = set(re.findall(r'"([EW]\d{3})"', Path(__file__).read_text()))

    assert made == documented == tried
    assert len(made) == 20
