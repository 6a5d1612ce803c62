"""What stands on the communication server's file system, and what a reader sees while it changes
(rules store-layout, store-modes, written-whole).
"""

import errno
import fcntl
import os
import shutil
import ssl
import stat
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from certificates.communication_server import flattened
from certificates.communication_server.errors import StoreBusy, StoreError
from certificates.communication_server.publication import Publication, PublishedPair
from certificates.communication_server.store import Store
from certificates.pki import formats
from certificates.pki.errors import PkiError
from certificates.pki.keys import SecretPem, load_host_key
from tests.support.peers import only_root
from tests.support.x509 import a_pair

FILES = {"root.pem", "host.pem", "host.key", "fullchain.pem", "agent.pem", "root.der", "host.der"}
KEYS = {"host.key", "agent.pem"}


@cache
def a_published_pair(number):
    pair = a_pair(number=number)
    return PublishedPair(number, pair.root, pair.host, pair.host_key)


def wanted(current=None, following=None, *, pairs=None, bundle=None):
    pairs = [number for number in (following, current) if number] if pairs is None else pairs
    bundle = pairs if bundle is None else bundle
    return Publication(
        pairs=tuple(a_published_pair(number) for number in pairs),
        current=current,
        next=following,
        bundle=tuple(
            certificate
            for number in bundle
            for certificate in (a_published_pair(number).root, a_published_pair(number).host)
        ),
    )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def entries(store):
    return sorted(str(path.relative_to(store.path)) for path in store.path.rglob("*"))


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def content(store):
    """Every file with what identifies it on the disk: a file that is written again, even alike, has another inode or time."""
    found = {}
    for path in [store.path, *store.path.rglob("*")]:
        status = path.lstat()
        found[path] = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return found


# -- layout -----------------------------------------------------------------------------------------------------------


def test_it_lays_out_pairs_bundle_and_links_as_the_design_draws_them(store):
    store.publish(wanted(current=7, following=8))
    found = entries(store)
    (bundle,) = [name for name in found if name.startswith("trust/")]
    assert set(found) == {
        "generations",
        *(f"generations/{number}" for number in ("0007", "0008")),
        *(f"generations/{number}/{name}" for number in ("0007", "0008") for name in FILES),
        "trust",
        bundle,
        "current",
        "next",
        "trust.pem",
    }
    assert {name: str((store.path / name).readlink()) for name in ("current", "next", "trust.pem")} == {
        "current": "generations/0007",
        "next": "generations/0008",
        "trust.pem": bundle,
    }
    assert store.current == 7


def test_every_file_holds_what_its_name_says(store):
    store.publish(wanted(current=7))
    pair, place = a_published_pair(7), store.path / "current"
    root, host = pair.root, pair.host
    read = {name: (place / name).read_bytes() for name in FILES}
    assert x509.load_pem_x509_certificates(read["root.pem"]) == [root]
    assert x509.load_pem_x509_certificates(read["host.pem"]) == [host]
    assert x509.load_pem_x509_certificates(read["fullchain.pem"]) == [host, root]
    assert x509.load_der_x509_certificate(read["root.der"]) == root
    assert x509.load_der_x509_certificate(read["host.der"]) == host
    assert load_host_key(SecretPem(read["host.key"])).public_key() == host.public_key()
    assert x509.load_pem_x509_certificates(read["agent.pem"]) == [host]
    assert read["agent.pem"].endswith(read["host.key"])
    assert x509.load_pem_x509_certificates((store.path / "trust.pem").read_bytes()) == [root, host]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place / "agent.pem")
    context.load_cert_chain(place / "fullchain.pem", place / "host.key")


def test_the_bundle_has_the_name_of_its_content_and_the_one_before_stays(store):
    store.publish(wanted(current=7))
    first = str((store.path / "trust.pem").readlink())
    store.publish(wanted(current=7, following=8))
    second = str((store.path / "trust.pem").readlink())
    assert first != second
    assert len(x509.load_pem_x509_certificates((store.path / first).read_bytes())) == 2
    assert len(x509.load_pem_x509_certificates((store.path / second).read_bytes())) == 4
    store.publish(wanted(current=7))
    assert str((store.path / "trust.pem").readlink()) == first


def test_keys_are_for_the_owner_alone(store):
    store.publish(wanted(current=7, following=8))
    for path in store.path.rglob("*"):
        if path.is_symlink():
            continue
        assert mode(path) == (0o700 if path.is_dir() else 0o600 if path.name in KEYS else 0o644), path
    assert mode(store.path) == 0o700


def test_an_odd_umask_changes_no_mode(store):
    before = os.umask(0o277)
    try:
        store.publish(wanted(current=7))
    finally:
        os.umask(before)
    assert mode(store.path / "current" / "host.key") == 0o600
    assert mode(store.path / "current" / "host.pem") == 0o644


@only_root
def test_a_group_may_read_what_only_the_owner_may_otherwise(tmp_path):
    store = Store(tmp_path / "store", group="daemon")
    with store.locked():
        store.publish(wanted(current=7))
    found = [path for path in [store.path, *store.path.rglob("*")] if not path.is_symlink() and path.name != ".lock"]
    for path in found:
        assert mode(path) == (0o750 if path.is_dir() else 0o640 if path.name in KEYS else 0o644), path
        assert path.group() == "daemon", path


@only_root
def test_the_key_has_its_group_before_it_has_its_name(tmp_path):
    """Watched from the side, at every moment: nobody ever finds a key that the group cannot read, nor one for everybody."""
    store, over, seen = Store(tmp_path / "store", group="daemon"), threading.Event(), set()

    def watch():
        while not over.is_set():
            for path in store.path.glob("generations/*/host.key"):
                with suppress(FileNotFoundError):
                    if not path.parent.name.startswith("."):
                        seen.add((mode(path), path.group()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(1, 20):
            store.publish(wanted(current=number))
    finally:
        over.set()
        watcher.join()
    assert seen == {(0o640, "daemon")}


@only_root
def test_a_group_that_is_set_later_is_given_to_what_is_there(tmp_path):
    plain, grouped = Store(tmp_path / "store"), Store(tmp_path / "store", group="daemon")
    with plain.locked():
        plain.publish(wanted(current=7))
    assert "generations/0007/host.key" in grouped.differences(wanted(current=7))
    with grouped.locked():
        grouped.publish(wanted(current=7))
    assert grouped.differences(wanted(current=7)) == []
    for path in [tmp_path / "store", tmp_path / "store" / "generations", tmp_path / "store" / "generations" / "0007"]:
        assert (mode(path), path.group()) == (0o750, "daemon")
    assert mode(tmp_path / "store" / "current" / "host.key") == 0o640


def test_a_directory_that_the_administrator_made_keeps_its_mode(tmp_path):
    (tmp_path / "store").mkdir(mode=0o755)
    store = Store(tmp_path / "store")
    with store.locked():
        store.publish(wanted(current=7))
    assert mode(tmp_path / "store") == 0o755


def test_an_unknown_group_is_told_by_name_and_nothing_is_served(tmp_path):
    store = Store(tmp_path / "store", group="no-such-group")
    with pytest.raises(StoreError, match="no-such-group aus PBXCERTS_STORE_GROUP ist hier unbekannt"):
        store.publish(wanted(current=7))
    assert store.current is None
    assert not list(tmp_path.rglob("*.key"))


# -- what a reader sees -------------------------------------------------------------------------------------------------


def test_a_reader_never_sees_a_missing_link_or_a_key_of_another_pair(store):
    numbers = list(range(1, 9))
    store.publish(wanted(current=1, pairs=numbers))
    over, troubles, read = threading.Event(), [], []

    def reader():
        while not over.is_set():
            try:
                directory = store.path / (store.path / "current").readlink()
                key = load_host_key(SecretPem((directory / "host.key").read_bytes()))
                certificate = formats.load_pem((directory / "host.pem").read_bytes())
                read.append(key.public_key() == certificate.public_key())
            except (OSError, PkiError) as trouble:
                troubles.append(repr(trouble))

    thread = threading.Thread(target=reader)
    thread.start()
    try:
        for turn in range(80):
            store.publish(wanted(current=1 + turn % 8, pairs=numbers))
    finally:
        over.set()
        thread.join()
    assert troubles == []
    assert all(read)
    assert len(read) > 20


def test_the_old_pair_is_served_until_everything_of_the_new_one_is_there(store):
    """Read before the first link moves: none ever leads into a directory that lacks a file."""
    store.publish(wanted(current=7))
    seen = []

    class Watched(Store):
        def _point(self, links, changed):
            for name, target in links.items():
                if name == "trust.pem":
                    assert (store.path / target).is_file()
                else:
                    assert {path.name for path in (store.path / target).iterdir()} == FILES
                seen.append(name)
            assert store.current == 7
            super()._point(links, changed)

    Watched(store.path).publish(wanted(current=8))
    assert seen == ["trust.pem", "current"]
    assert store.current == 8


def test_everything_is_flushed_before_it_is_renamed_and_the_directory_after(store, monkeypatch):
    store.publish(wanted(current=7))
    did = []
    fsync, rename = os.fsync, os.rename

    def recording_fsync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        did.append(("flush", path, path.stat().st_size if path.is_file() else None))
        fsync(descriptor)

    def recording_rename(source, target):
        did.append(("rename", Path(source), Path(target)))
        rename(source, target)

    # The kernel tells nobody what was flushed: only the call itself can be seen.
    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "rename", recording_rename)
    store.publish(wanted(current=8, pairs=[8, 7]))
    monkeypatch.undo()

    generations, place = store.path / "generations", store.path / "generations" / "0008"
    (appears,) = [at for at, step in enumerate(did) if step[0] == "rename" and step[2] == place]
    staged = did[appears][1]
    assert staged.parent == generations, "a rename from another file system would copy"
    flushed = {step[1]: step[2] for step in did[:appears] if step[0] == "flush"}
    for name in FILES:
        assert flushed[staged / name] == (place / name).stat().st_size, "flushed before it was written"
    assert did[appears - 1] == ("flush", staged, None)
    links = [at for at, step in enumerate(did) if step[0] == "rename" and step[2].parent == store.path]
    for place in (generations, store.path / "trust"):
        assert ("flush", place, None) in did[appears : links[0]], "a link that outlives what it points to"
    switches = did.index(("rename", store.path / ".new-current", store.path / "current"))
    assert did[switches + 1] == ("flush", store.path, None)
    assert switches == max(at for at, step in enumerate(did) if step[0] == "rename"), "the link comes last"


def test_publishing_again_writes_nothing(store):
    publication = wanted(current=7, following=8)
    store.publish(publication)
    before = content(store)
    store.publish(publication)
    assert content(store) == before
    store.publish(wanted(current=8))
    assert content(store) != before


# -- mending -------------------------------------------------------------------------------------------------------------


def change(path):
    path.write_bytes(path.read_bytes() + b"\n")


def cut(path):
    path.write_bytes(path.read_bytes()[:20])


def close_to_all(path):
    path.chmod(0o200)


def link_to_a_copy(path):
    copy = path.parent.parent.parent / "elsewhere"
    path.rename(copy)
    path.symlink_to(copy)


@pytest.mark.parametrize("damage", [change, cut, close_to_all, link_to_a_copy, Path.unlink])
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file_is_told_and_mended(store, name, damage):
    store.publish(wanted(current=7))
    path = store.path / "generations" / "0007" / name
    right = path.read_bytes()
    damage(path)
    assert store.differences(wanted(current=7)) == [f"generations/0007/{name}"]
    store.publish(wanted(current=7))
    assert (path.read_bytes(), path.is_symlink()) == (right, False)
    assert mode(path) == (0o600 if name in KEYS else 0o644)
    assert store.differences(wanted(current=7)) == []


@pytest.mark.parametrize("name", ["current", "next", "trust.pem"])
def test_a_link_that_is_gone_or_wrong_is_told_and_mended(store, name):
    publication = wanted(current=7, following=8)
    store.publish(publication)
    for damage in (lambda path: path.unlink(), lambda path: (path.unlink(), path.symlink_to("generations/0099"))):
        damage(store.path / name)
        assert store.differences(publication) == [name]
        store.publish(publication)
        assert store.differences(publication) == []


def test_a_bundle_that_was_changed_is_mended(store):
    store.publish(wanted(current=7))
    bundle = store.path / str((store.path / "trust.pem").readlink())
    bundle.write_bytes(b"")
    assert store.differences(wanted(current=7)) == [str(bundle.relative_to(store.path))]
    store.publish(wanted(current=7))
    assert bundle.read_bytes() == wanted(current=7).trust_pem


def test_a_directory_that_is_gone_comes_back_whole(store):
    store.publish(wanted(current=7))
    for path in (store.path / "generations" / "0007").iterdir():
        path.unlink()
    (store.path / "generations" / "0007").rmdir()
    store.publish(wanted(current=7))
    assert store.differences(wanted(current=7)) == []


def test_a_link_that_nobody_wants_goes(store):
    store.publish(wanted(current=7, following=8))
    assert store.differences(wanted(current=8))[-2:] == ["next", "current"]
    store.publish(wanted(current=8))
    assert not os.path.lexists(store.path / "next")
    assert store.differences(wanted(current=8)) == []


def test_leftovers_of_a_crash_go_with_their_keys(store):
    store.publish(wanted(current=7))
    left = store.path / "generations" / ".new-abc"
    left.mkdir()
    (left / "host.key").write_text("a key")
    (store.path / "generations" / ".new-host.key").write_text("half a key")
    (store.path / "trust" / ".new-1234.pem").write_text("half a bundle")
    (store.path / ".new-current").symlink_to("generations/0099")
    store.publish(wanted(current=8))
    assert not [name for name in entries(store) if ".new-" in name]


# -- keys that nobody needs any more --------------------------------------------------------------------------------------


def test_a_key_that_is_not_wanted_is_deleted_and_its_certificates_stay(store):
    store.publish(wanted(current=7, pairs=[7, 6]))
    store.publish(wanted(current=7))
    assert {path.name for path in (store.path / "generations" / "0006").iterdir()} == FILES - KEYS
    assert {path.name for path in (store.path / "generations" / "0007").iterdir()} == FILES


def test_the_key_that_is_served_stays_until_another_is(store):
    store.publish(wanted(current=7))
    nothing = Publication(pairs=(), current=None, next=None, bundle=())
    store.publish(nothing)
    assert {path.name for path in (store.path / "current").iterdir()} == FILES
    store.publish(wanted(current=8))
    assert not (store.path / "generations" / "0007" / "host.key").exists()


def test_a_pair_without_its_key_is_published_without_it(store):
    pair = replace(a_published_pair(7), host_key=None)
    store.publish(Publication(pairs=(pair,), current=None, next=None, bundle=()))
    assert {path.name for path in (store.path / "generations" / "0007").iterdir()} == FILES - KEYS


# -- what lies in the way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("foreign", [Path.touch, Path.mkdir], ids=["file", "directory"])
@pytest.mark.parametrize("name", ["current", "generations/0008", "generations", "generations/0007/host.key", "trust"])
def test_what_lies_in_the_way_is_named_and_what_is_served_stays(store, name, foreign):
    store.publish(wanted(current=7))
    served = store.path / "generations" / "0007"
    place = store.path / name
    if name == "current":
        place.unlink()
    elif place.exists():
        place.rename(store.path / "aside")
    foreign(place)
    harmless = foreign is Path.mkdir and name in {"current", "generations", "generations/0008", "trust"}
    overwritten = foreign is Path.touch and name in {"current", "generations/0007/host.key"}
    if harmless or overwritten:
        store.publish(wanted(current=8, pairs=[8, 7]))
        assert store.differences(wanted(current=8, pairs=[8, 7])) == []
        return
    with pytest.raises(StoreError, match=str(place)):
        store.publish(wanted(current=8, pairs=[8, 7]))
    assert place.is_dir() == (foreign is Path.mkdir), "it is not ours to delete"
    assert store.current in {None, 7}
    if name != "generations":
        assert FILES >= {path.name for path in served.iterdir()} > {"fullchain.pem", "agent.pem"}
    assert not [left for left in entries(store) if ".new-" in left], "no key lies about"


# -- what a restore has made of the links and the modes ----------------------------------------------------------------------


def flatten(store, name):
    """As a copy that follows links leaves it."""
    place, target = store.path / name, (store.path / name).resolve()
    place.unlink()
    if target.is_dir():
        shutil.copytree(target, place)
    else:
        shutil.copy2(target, place)


@pytest.mark.parametrize("names", [["current"], ["next"], ["trust.pem"], ["current", "next", "trust.pem"]])
def test_links_that_a_restore_has_followed_are_told_and_become_links_again(store, names):
    publication = wanted(current=7, following=8)
    store.publish(publication)
    whole = entries(store)
    for name in names:
        flatten(store, name)
    assert set(store.differences(publication)) == set(names)
    store.publish(publication)
    assert store.differences(publication) == []
    assert entries(store) == whole, "what only repeats a pair is no second copy of its key"


def test_what_is_served_is_there_at_every_moment_while_a_link_takes_its_place(store, monkeypatch):
    store.publish(wanted(current=7))
    flatten(store, "current")
    seen = []
    for name in ("rename", "symlink"):
        call = getattr(os, name)

        def watched(*arguments, call=call, **options):
            seen.append((store.path / "current" / "host.key").exists())
            result = call(*arguments, **options)
            seen.append((store.path / "current" / "host.key").exists())
            return result

        monkeypatch.setattr(os, name, watched)
    store.publish(wanted(current=7))
    assert seen
    assert all(seen)
    assert store.current == 7


def test_also_where_the_file_system_exchanges_nothing(store, monkeypatch):
    store.publish(wanted(current=7))
    flatten(store, "current")

    def refused(one, other):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(other))

    monkeypatch.setattr(flattened, "_exchange", refused)
    store.publish(wanted(current=7))
    assert store.differences(wanted(current=7)) == []
    assert not list(store.path.glob("*.aside*"))


def test_a_directory_that_holds_anything_else_is_moved_aside_and_kept(store):
    store.publish(wanted(current=7))
    for place, name in enumerate(["current.aside", "current.aside-2"], start=1):
        flatten(store, "current")
        (store.path / "current" / "notes").write_text(f"of the administrator {place}")
        store.publish(wanted(current=7))
        assert store.current == 7
        assert (store.path / name / "notes").read_text() == f"of the administrator {place}"


def test_a_directory_in_the_place_of_a_link_that_nobody_wants_goes_too(store):
    store.publish(wanted(current=7, following=8))
    flatten(store, "next")
    assert "next" in store.differences(wanted(current=7, pairs=[7, 8]))
    store.publish(wanted(current=7, pairs=[7, 8]))
    assert not os.path.lexists(store.path / "next")
    assert not list(store.path.glob("*.aside*"))


@pytest.mark.parametrize("wide", [0o644, 0o660, 0o604])
def test_a_mode_that_is_wider_than_ours_is_told_and_left(store, wide):
    """An access list for the server shows in the bits of the group."""
    store.publish(wanted(current=7))
    assert store.wide_modes(wanted(current=7)) == []
    key = store.path / "generations" / "0007" / "host.key"
    key.chmod(wide)
    store.publish(wanted(current=7))
    assert store.differences(wanted(current=7)) == []
    assert mode(key) == wide
    assert store.wide_modes(wanted(current=7)) == [f"generations/0007/host.key ({wide:04o})"]


def test_so_is_a_directory_that_others_may_write_to(store):
    store.publish(wanted(current=7))
    for name, wide in (("generations", 0o755), ("generations/0007", 0o777), ("trust", 0o730)):
        (store.path / name).chmod(wide)
    assert store.wide_modes(wanted(current=7)) == ["trust (0730)", "generations/0007 (0777)"]


def test_a_generation_that_is_a_link_to_elsewhere_is_not_written_through(store, tmp_path):
    store.publish(wanted(current=7))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (store.path / "generations" / "0008").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="generations/0008"):
        store.publish(wanted(current=8, pairs=[8, 7]))
    assert list(elsewhere.iterdir()) == []
    assert store.current == 7


def test_a_temporary_name_that_somebody_linked_elsewhere_is_not_written_through(store, tmp_path):
    store.publish(wanted(current=7))
    target = tmp_path / "target"
    target.write_text("theirs")
    place = store.path / "generations" / "0007"
    (place.parent / ".new-host.key").symlink_to(target)
    (place / "host.key").unlink()
    store.publish(wanted(current=7))
    assert target.read_text() == "theirs"
    assert mode(place / "host.key") == 0o600


# -- alone ---------------------------------------------------------------------------------------------------------------------


def test_only_one_publishes_at_a_time(store):
    with store.locked():
        other = Store(store.path)
        assert other.is_busy
        with pytest.raises(StoreBusy, match="another process"), other.locked():
            pytest.fail("two held the lock")
    assert not store.is_busy
    with Store(store.path).locked():
        pass


def test_a_lock_that_cannot_be_had_at_all_is_not_taken_for_a_busy_one(store):
    store.path.mkdir()
    (store.path / ".lock").mkdir()
    with pytest.raises(StoreError, match=r"\.lock") as raised, store.locked():
        pytest.fail("locked a directory")
    assert not isinstance(raised.value, StoreBusy)


def test_the_lock_is_not_inherited_by_what_is_started(store):
    with store.locked():
        (held,) = [
            int(descriptor.name)
            for descriptor in Path("/proc/self/fd").iterdir()
            if descriptor.is_symlink() and descriptor.readlink() == store.path / ".lock"
        ]
        assert fcntl.fcntl(held, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
