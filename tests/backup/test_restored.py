"""What the first heartbeat after a restore tells (rule restore-told)."""

import json
import shutil
import subprocess
import sys

import pytest

from pbxcerts.backup import restored
from pbxcerts.system.models import EventMessage
from tests.support.copies import DatabaseCopy
from tests.support.generations import HOUR, a_world
from tests.support.tls_server import TlsServer

NOTE = {"restored_at": "2027-03-02T10:00:00+00:00", "made_at": "2027-03-01T02:30:00+00:00", "store": True}


@pytest.fixture
def world(db, tmp_path, key_file, settings):
    """The first pair is served."""
    settings.DATA, settings.STORE = tmp_path / "data", tmp_path / "store"
    (settings.DATA / "run").mkdir(parents=True)
    world = a_world(settings.STORE)
    world.begin()
    return world


@pytest.fixture
def note(settings):
    return settings.DATA / "run" / restored.NOTE


def told():
    return {message.kind: message for message in EventMessage.objects.all()}


def test_it_is_told_once_and_with_its_times(world, note):
    restored.tell_once(world.situation)
    assert "restored" not in told()

    for _again in range(2):
        note.write_text(json.dumps(NOTE))
        restored.tell_once(world.situation)
        assert not note.exists()
    message = EventMessage.objects.get(kind="restored")
    assert message.params == {name: NOTE[name] for name in ("restored_at", "made_at")}
    assert not message.with_match, "a person confirms it"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"restored_at": 5}', '{"restored_at": "x", "made_at": "y", "store": true}']
)
def test_a_note_that_can_not_be_read_stops_no_heartbeat(world, note, content):
    note.write_text(content)
    restored.tell_once(world.situation)

    assert not note.exists()
    assert "restored" not in told()


@pytest.mark.parametrize("put_back", [True, False])
def test_a_server_that_presents_what_the_copy_does_not_know_is_told_where_its_files_were_lost(
    world, note, tmp_path, put_back
):
    """It has loaded the second pair; the copy of before is restored, and its store put back with it."""
    before, store = DatabaseCopy(), tmp_path / "copy"
    shutil.copytree(world.store.path, store, symlinks=True)
    world.after(HOUR).generate(at_once=True)
    loaded = tmp_path / "loaded"
    shutil.copytree(world.store.path / "generations" / "0002", loaded)
    before.put_back()
    shutil.rmtree(world.store.path)
    store.rename(world.store.path)
    server = TlsServer(loaded / "fullchain.pem", loaded / "host.key", directory=tmp_path).start()
    try:
        world.set(tls_addresses=[server.address])
        note.write_text(json.dumps(NOTE | {"store": put_back}))
        restored.tell_once(world.situation)
    finally:
        server.stop()

    assert ("unknown_certificate_presented" in told()) == put_back


@pytest.mark.process
def test_what_runs_all_the_time_never_loads_what_a_backup_needs():
    code = "import django; django.setup(); import pbxcerts.tasks, pbxcerts.urls, pbxcerts.processes.web, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {*done.stdout.split()}

    assert "pbxcerts.backup.schedule" in loaded
    assert {"pyrage", "tarfile", "pbxcerts.backup.making", "pbxcerts.backup.restoring"} & loaded == set()
