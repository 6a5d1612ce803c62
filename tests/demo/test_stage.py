"""A demonstration reaches no installation of the caller's (rule demonstration)."""

import os
import socket
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from pbxcerts import env
from pbxcerts.demo import stage
from pbxcerts.demo.stage import Stage


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """What stands in the environment afterwards is as it was before."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(stage.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stage.atexit, "register", lambda *arguments: None)
    return os.environ


def test_every_variable_of_ours_is_left_behind_and_named(surroundings, capsys):
    surroundings.clear()
    surroundings |= {
        "PATH": "/bin",
        "PBXCERTS_STORE": "/srv/store",
        "PBXCERTS_DATABASE": "postgresql://pbx:secret@db/pbx",
        "DJANGO_SUPERUSER_PASSWORD": "seven copper kettles",
        "NOTIFY_SOCKET": "/run/notify",
    }

    stage.take([])

    assert surroundings["PATH"] == "/bin"
    assert not {"PBXCERTS_STORE", "PBXCERTS_DATABASE", "DJANGO_SUPERUSER_PASSWORD", "NOTIFY_SOCKET"} & {*surroundings}
    said = capsys.readouterr().err
    assert "goes without DJANGO_SUPERUSER_PASSWORD, NOTIFY_SOCKET, PBXCERTS_DATABASE, PBXCERTS_STORE." in said
    assert "secret" not in said


def test_nothing_is_said_where_nothing_was_set(surroundings, capsys):
    surroundings.clear()

    stage.take([])

    assert capsys.readouterr().err == ""


def test_all_that_it_opens_is_on_loopback_and_all_that_it_writes_in_one_new_directory(surroundings, tmp_path):
    surroundings.clear()

    stage.take([])

    directory = Path(surroundings["PBXCERTS_DEMO"])
    assert directory.parent == tmp_path
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert directory in Path(surroundings["PBXCERTS_DATA"]).parents
    for listener in ("HTTPS", "HTTP", "PROOF"):
        assert surroundings[f"PBXCERTS_TERMINALS_{listener}"].startswith("127.0.0.1:")


def test_two_that_start_in_the_same_moment_have_ports_of_their_own(tmp_path):
    first, second = Stage.made_in(tmp_path), Stage.made_in(tmp_path)

    assert not {*range(first.panel, first.time + 1)} & {*range(second.panel, second.time + 1)}
    assert Stage.read(tmp_path) == second


def test_a_port_at_which_somebody_listens_is_left_to_him(tmp_path):
    free = Stage.made_in(tmp_path).panel
    with socket.create_server(("127.0.0.1", free)):
        _free_again()

        assert Stage.made_in(tmp_path).panel > free


def _free_again():
    for guard in stage._held:
        guard.close()


def test_a_directory_that_holds_something_is_refused_and_left_as_it_is(surroundings, tmp_path):
    (tmp_path / "store").mkdir(mode=0o755)
    tmp_path.chmod(0o755)

    with pytest.raises(SystemExit, match="is not empty"):
        stage.take(["--keep", str(tmp_path)])

    assert [place.name for place in tmp_path.iterdir()] == ["store"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_who_asks_for_help_makes_nothing(surroundings, tmp_path):
    before = dict(surroundings)

    stage.take(["--help"])

    assert surroundings == before
    assert [*tmp_path.iterdir()] == []


def test_the_command_of_an_installation_that_is_there_is_refused():
    with pytest.raises(CommandError, match="before any setting is read"):
        call_command("demo")


@pytest.mark.parametrize("strange", ["data", "store"])
def test_its_variable_is_refused_beside_the_data_of_an_installation(tmp_path, strange):
    places = {"data": tmp_path / "demo" / "data", "store": tmp_path / "demo" / "store", strange: tmp_path / "real"}

    with pytest.raises(ImproperlyConfigured, match="is not of a demonstration"):
        env.refuse_demonstration_elsewhere(tmp_path / "demo", *places.values())


def test_its_variable_is_refused_beside_a_database_on_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("PBXCERTS_DATABASE", "postgresql://pbx:secret@db/pbx")

    with pytest.raises(ImproperlyConfigured, match="a database on a server is not of a demonstration"):
        env.refuse_demonstration_elsewhere(tmp_path, tmp_path / "data")


def test_its_variable_is_taken_beside_data_of_its_own_and_nothing_is_asked_without_it(tmp_path, monkeypatch):
    monkeypatch.delenv("PBXCERTS_DATABASE", raising=False)

    env.refuse_demonstration_elsewhere(tmp_path, tmp_path / "data", tmp_path / "data" / "store")
    env.refuse_demonstration_elsewhere(None, Path("/srv/data"))
