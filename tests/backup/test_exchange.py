"""A restore that is killed at any step is either not begun or gets to its end (rule restored-whole)."""

import fcntl
import os
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from pbxcerts.backup import exchange
from pbxcerts.backup.exchange import DECIDED, Exchange, Move, staging_of
from tests.support.peers import only_root

STEPS = {"os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree", "shutil.copytree"}
MOST = 200
OLD = {
    "pbxcerts.sqlite3": "old",
    "pbxcerts.sqlite3-wal": "old log",
    "secrets/host-keys.key": "old keys",
    "run/evidence-1": "old evidence",
}
NEW = {"pbxcerts.sqlite3": "new", "secrets/host-keys.key": "new keys", "run/evidence-2": "new evidence"}
STORE = {
    "generations/0001/host.pem": "certificate",
    "generations/0001/host.key": "key",
    "trust/ab.pem": "trust",
    "mark.json": "mark",
}
LINKS = {"current": "generations/0001", "trust.pem": "trust/ab.pem"}


def write(directory, files):
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def read(directory):
    return {str(file.relative_to(directory)): file.read_text() for file in directory.rglob("*") if file.is_file()}


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    write(data, OLD)
    return data


def prepared(data):
    """What has been verified, and where it is to go."""
    new, aside = staging_of(data) / "new", data / "replaced"
    write(new, NEW)
    write(new / "store", STORE)
    moves = [Move(str(data / name), str(aside / name), str(new / name)) for name in NEW]
    moves += [Move(str(data / name), str(aside / name)) for name in OLD.keys() - NEW.keys()]
    return Exchange(moves, str(new / "store"), str(data.parent / "store"), LINKS)


def restore(data):
    exchange.decide(data, prepared(data))
    exchange.carry_out(data)


def assert_restored(data):
    found = read(data)
    found.pop("run/up.lock", None)
    assert found == NEW | {f"replaced/{name}": text for name, text in OLD.items()}
    store = data.parent / "store"
    assert {name: (store / name).read_text() for name in STORE} == STORE
    assert {name: str((store / name).readlink()) for name in LINKS} == LINKS
    modes = {name: (store / name).stat().st_mode & 0o777 for name in STORE}
    assert (modes["generations/0001/host.key"], modes["generations/0001/host.pem"]) == (0o600, 0o644)
    assert list(store.rglob(".new-*")) == []


def killed_before(step, data):
    """Whether the process was killed right before this step; else it has come to its end."""
    if not (child := os.fork()):
        counted = 0

        def count(event, _arguments):
            nonlocal counted
            if event in STEPS:
                counted += 1
                if counted == step:
                    os._exit(9)

        try:
            sys.addaudithook(count)
            restore(data)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_what_was_there_goes_aside_and_the_new_takes_its_place(data):
    restore(data)

    assert_restored(data)


@pytest.mark.process
def test_killed_at_any_step_it_has_not_begun_or_is_finished_by_whoever_comes_next(tmp_path):
    ends = set()
    for step in range(1, MOST):
        data = tmp_path / str(step) / "data"
        write(data, OLD)
        was_killed = killed_before(step, data)
        decided = (staging_of(data) / DECIDED).exists()
        exchange.finish_interrupted(data)
        if was_killed and not decided and (data / "pbxcerts.sqlite3").read_text() == "old":
            assert {name: (data / name).read_text() for name in OLD} == OLD
            assert not (data.parent / "store").exists()
            assert not staging_of(data).exists()
            ends.add("not begun")
        else:
            assert_restored(data)
            ends.add("finished")
        if not was_killed:
            break
    assert ends == {"not begun", "finished"}
    assert 15 < step < MOST - 1


def test_without_a_restore_there_is_nothing_to_finish(data, tmp_path):
    exchange.finish_interrupted(data)
    exchange.finish_interrupted(tmp_path / "nowhere")

    assert read(data) == OLD


def test_while_it_goes_on_another_command_is_told_to_wait(data):
    exchange.decide(data, prepared(data))
    descriptor = os.open(data / "run" / "up.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(ImproperlyConfigured, match="is being restored"):
            exchange.finish_interrupted(data)
    finally:
        os.close(descriptor)
    exchange.finish_interrupted(data)

    assert_restored(data)


@only_root
def test_what_is_in_the_way_is_named_and_it_goes_on_afterwards(data):
    exchange.decide(data, prepared(data))
    (data.parent / "store").write_text("a file")
    with pytest.raises(ImproperlyConfigured, match="store"):
        exchange.finish_interrupted(data)
    (data.parent / "store").unlink()
    exchange.finish_interrupted(data)

    assert_restored(data)
