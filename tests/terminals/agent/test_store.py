"""The trust store on disk."""

import os
import ssl

import pytest

from certificates.pki import formats
from terminals.agent import store as store_module
from terminals.agent.anchors import fingerprint
from terminals.agent.errors import TrustStoreError
from terminals.agent.store import TrustStore


@pytest.fixture(params=["file", "directory"])
def store(request, tmp_path):
    name = {"file": "trust.pem", "directory": "trust"}[request.param]
    return TrustStore(tmp_path / "new" / name, is_directory=request.param == "directory")


def files(store):
    return sorted(store.path.iterdir()) if store.is_directory else [store.path]


def test_it_holds_nothing_before_the_first_trust(store):
    assert store.load() == []


def test_it_holds_what_it_was_given_and_nothing_else(store, old, new, strange):
    store.replace([old.root])
    store.replace([new.root, strange.root])
    assert set(store.load()) == {new.root, strange.root}


def test_it_says_whether_that_was_a_change(store, old, new):
    assert store.replace([old.root, new.root])
    assert not store.replace([new.root, old.root])
    assert store.replace([new.root])


def test_what_is_unchanged_is_not_written_again(store, old):
    store.replace([old.root])
    before = [path.stat().st_ino for path in files(store)]
    store.replace([old.root])
    assert [path.stat().st_ino for path in files(store)] == before


def test_it_is_never_emptied(store, old):
    store.replace([old.root])
    with pytest.raises(TrustStoreError, match="never emptied"):
        store.replace([])
    assert store.load() == [old.root]


def test_everybody_may_read_it_whatever_the_umask(store, old):
    before = os.umask(0o077)
    try:
        store.replace([old.root])
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in files(store)] == [0o644]


def test_the_index_names_each_certificate_by_its_fingerprint(store, old, new):
    store.replace([old.root, new.root])
    text = "".join(path.read_text() for path in files(store))
    for root in (old.root, new.root):
        assert f"# sha256 {fingerprint(root)} until {root.not_valid_after_utc:%Y-%m-%d}" in text
    if store.is_directory:
        assert {path.stem for path in files(store)} == {fingerprint(old.root), fingerprint(new.root)}


def test_openssl_reads_it_as_it_is(store, old, new):
    store.replace([old.root, new.root])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for path in files(store):
        context.load_verify_locations(path)
    assert set(context.get_ca_certs(binary_form=True)) == {formats.der(old.root), formats.der(new.root)}


def test_foreign_files_in_its_directory_are_neither_trusted_nor_touched(tmp_path, old, strange):
    store = TrustStore(tmp_path / "trust", is_directory=True)
    store.path.mkdir()
    foreign = store.path / "mine.pem"
    foreign.write_bytes(formats.pem(strange.root))
    store.replace([old.root])
    assert store.load() == [old.root]
    assert foreign.exists()


def test_nothing_is_left_beside_it(store, old, new):
    store.replace([old.root])
    store.replace([new.root])
    store.hook_has_run()
    left = {path.name for path in store.path.parent.rglob("*")}
    assert left == {store.path.name} | ({path.name for path in files(store)})


class Stopped(BaseException):
    """As a loss of power."""


@pytest.mark.parametrize("call", ["replace", "unlink", "fsync"])
@pytest.mark.parametrize("at", range(6))
def test_wherever_it_is_stopped_it_holds_a_root_that_was_trusted_before(
    store, old, new, strange, monkeypatch, call, at
):
    store.replace([old.root, new.root])
    before = {old.root, new.root}
    after = {new.root, strange.root}
    calls = iter(range(100))
    # A loss of power has no object that could be passed in; the calls of the system are where it is felt.
    owner = os if call == "fsync" else store_module.Path
    real = getattr(owner, call)

    def stopping(*arguments, **options):
        if next(calls) == at:
            raise Stopped
        return real(*arguments, **options)

    monkeypatch.setattr(owner, call, stopping)
    try:
        store.replace([new.root, strange.root])
    except Stopped:
        assert store.hook_is_due
    monkeypatch.undo()
    held = set(store.load())
    assert held in (before, after, before | after)
    store.replace([new.root, strange.root])
    assert set(store.load()) == after


def test_a_directory_that_cannot_be_written_is_said(tmp_path, old):
    (tmp_path / "file").touch()
    with pytest.raises(TrustStoreError, match="cannot be written"):
        TrustStore(tmp_path / "file" / "trust.pem").replace([old.root])


def test_a_damaged_file_is_said_and_replaced(store, old):
    store.replace([old.root])
    files(store)[0].write_text("-----BEGIN CERTIFICATE-----\nMII")
    with pytest.raises(TrustStoreError, match="holds no certificates"):
        store.load()
    assert store.replace([old.root])
    assert store.load() == [old.root]


def test_the_hook_is_due_from_a_change_until_it_has_run(store, old, new):
    assert not store.hook_is_due
    store.replace([old.root])
    assert store.hook_is_due
    store.replace([old.root])
    assert TrustStore(store.path, is_directory=store.is_directory).hook_is_due
    store.hook_has_run()
    assert not store.hook_is_due


def test_it_is_locked_by_one_at_a_time_and_free_again_afterwards(store):
    other = TrustStore(store.path, is_directory=store.is_directory)
    with store.locked(), pytest.raises(TrustStoreError, match="another agent"), other.locked():
        pass
    with other.locked():
        pass
