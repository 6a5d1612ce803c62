"""What belongs in a backup, and that the copies of database and store fit each other (rules backup-order, backup-contents)."""

import pytest

from pbxcerts.backup import gathering
from pbxcerts.backup.manifest import DJANGO_KEY, KEY_LIST, SQLITE
from pbxcerts.system import sealing
from pbxcerts.system.time import timekeeping
from tests.support.generations import a_world


@pytest.fixture
def world(db, tmp_path, key_file, settings, monkeypatch):
    """The first pair is served. Its database is in memory: the copy is a file that says how often it was made."""
    settings.DATA, settings.STORE = tmp_path / "data", tmp_path / "store"
    (settings.DATA / "run").mkdir(parents=True)
    sealing.make_key_list()
    world = a_world(settings.STORE)
    world.begin()
    world.copies = []

    def copy(workplace):
        file = workplace / SQLITE
        world.copies.append(file)
        for act in world.meanwhile[len(world.copies) - 1 :][:1]:
            act()
        file.write_text(f"{len(world.copies)}")
        return SQLITE, file

    world.meanwhile = []
    monkeypatch.setattr(gathering, "_copy_database", copy)
    return world


def gather(tmp_path):
    return gathering.gather(tmp_path, timekeeping.machine_time())


def test_while_nothing_is_published_one_copy_is_enough(world, tmp_path):
    gathered = gather(tmp_path)

    assert len(world.copies) == 1
    assert gathered.contents["store/mark.json"] == (world.store.path / "mark.json").read_bytes()
    assert gathered.manifest.links == {name: world.store.target(name) for name in ("current", "trust.pem")}


def test_what_is_published_while_the_database_is_copied_makes_another_copy(world, tmp_path):
    """Else the store in the backup would show what its database does not know."""
    world.meanwhile = [world.generate, world.activate]
    gathered = gather(tmp_path)

    assert len(world.copies) == 3
    assert gathered.contents[SQLITE].read_text() == "3"
    assert gathered.manifest.links["current"] == "generations/0002"


def test_it_does_not_go_on_for_ever(world, tmp_path):
    mark = world.store.path / "mark.json"
    world.meanwhile = [lambda: mark.write_bytes(mark.read_bytes() + b"\n")] * 100

    assert gather(tmp_path).contents["store/mark.json"]
    assert len(world.copies) == gathering.TRIES


def test_what_telephones_have_shown_is_read_before_the_database(world, tmp_path, settings):
    """While it is copied, what stands in the file comes into the database, and the file goes."""
    evidence = settings.DATA / "run" / "evidence-7"
    evidence.write_text("[]\n")
    world.meanwhile = [evidence.unlink]

    assert gather(tmp_path).contents["run/evidence-7"] == b"[]\n"


def test_what_others_have_put_beside_it_stays_out(world, tmp_path, settings):
    (world.store.path / "current.aside").mkdir()
    (world.store.path / "generations" / "0001" / "notes.txt").write_text("mine")
    (world.store.path / "generations" / "0001" / "root.der").unlink()
    (world.store.path / "generations" / "0001" / "root.der").symlink_to("/etc/passwd")
    (world.store.path / "trust" / "x.pem").symlink_to("/etc/passwd")
    (world.store.path / "next").symlink_to("/etc")
    for name in ("up.lock", "https", "restored.json"):
        (settings.DATA / "run" / name).write_text("of this machine")
    gathered = gather(tmp_path)

    assert gathered.manifest.links.keys() == {"current", "trust.pem"}
    names = {name.rpartition("/")[2] for name in gathered.contents}
    assert not {"notes.txt", "root.der", "x.pem", "up.lock", "https", "restored.json"} & names
    assert {DJANGO_KEY, KEY_LIST, "store/generations/0001/host.key"} <= gathered.contents.keys()
