"""What was changed in a backup is found, and nothing of it is written outside of its place (rule backup-checked).

Whoever knows a public key can make a file that opens: the archive itself is tried here, without encryption.
"""

import dataclasses
import gzip
import io
import json
import tarfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbxcerts.backup import archive
from pbxcerts.backup.errors import BackupDamaged, BackupUnfit
from pbxcerts.backup.manifest import DJANGO_KEY, KEY_LIST, MANIFEST, MOST_OCTETS, SQLITE, Manifest

CONTENTS = {
    SQLITE: b"a database" * 5000,
    DJANGO_KEY: b"secret\n",
    KEY_LIST: b"keys\n",
    "store/generations/0001/host.key": b"key",
    "store/mark.json": b"{}",
    "run/evidence-3": b"[]\n",
}
SMALL = CONTENTS | {SQLITE: b"a database"}
BLANK = Manifest(
    made_at=datetime(2027, 3, 1, 2, 30, tzinfo=UTC),
    version="1.0.0",
    installation="a" * 32,
    site="North",
    language="en",
    migrations=("system.0001_initial",),
    holds={"generations": 1},
    environment={"STORE": "/srv/store", "DATABASE": None},
    links={"current": "generations/0001"},
)


def packed(contents=CONTENTS):
    file = io.BytesIO()
    manifest = archive.pack(file, BLANK, contents)
    return file.getvalue(), manifest


def members(octets):
    """Name, header and content of each."""
    with tarfile.open(fileobj=io.BytesIO(octets), mode="r:gz") as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]


def built(entries):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def unpack(octets, directory, accept=lambda _manifest: None):
    return archive.unpack(io.BytesIO(octets), directory, accept=accept)


def plain(name, content, **header):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in header.items():
        setattr(member, field, value)
    return member, content


def test_what_was_packed_comes_back(tmp_path):
    octets, manifest = packed()

    assert unpack(octets, tmp_path) == manifest
    found = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert found == CONTENTS
    assert {file.stat().st_mode & 0o077 for file in tmp_path.rglob("*")} == {0}


def test_the_manifest_is_shown_before_anything_is_written(tmp_path):
    def refuse(manifest):
        assert manifest.holds == {"generations": 1}
        assert list(tmp_path.iterdir()) == []
        raise BackupUnfit("no")

    with pytest.raises(BackupUnfit):
        unpack(packed()[0], tmp_path, refuse)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [0, 1, 3, -1])
def test_a_changed_file_is_found(part, tmp_path):
    entries = members(packed()[0])
    member, content = entries[part]
    entries[part] = (member, bytes([content[0] ^ 1]) + content[1:])

    with pytest.raises(BackupDamaged):
        unpack(built(entries), tmp_path)


def test_two_files_that_changed_places_are_found(tmp_path):
    entries = members(packed(CONTENTS | {KEY_LIST: b"others\n"})[0])
    names = [member.name for member, _content in entries]
    one, two = names.index(DJANGO_KEY), names.index(KEY_LIST)
    (first, content_of_first), (second, content_of_second) = entries[one], entries[two]
    entries[one], entries[two] = (first, content_of_second), (second, content_of_first)

    with pytest.raises(BackupDamaged):
        unpack(built(entries), tmp_path)


def test_one_that_lacks_a_file_or_has_one_more_is_refused(tmp_path):
    entries = members(packed()[0])
    for number, changed in enumerate(
        (
            entries[:-1],
            [*entries, plain("store/trust/ab.pem", b"x")],
            [*entries, entries[1]],
            entries[1:],
            [],
        )
    ):
        with pytest.raises(BackupDamaged):
            unpack(built(changed), tmp_path / str(number))


@pytest.mark.parametrize(
    "name",
    ["../outside", "/tmp/outside", "store/../../outside", "secrets/../outside", "store/generations/1/other", "."],
)
def test_a_name_that_is_none_of_ours_is_never_written(name, tmp_path):
    (_first, manifest), *rest = members(packed()[0])
    values = json.loads(manifest)
    values["files"][name] = values["files"].pop("store/mark.json")
    rest = [plain(name, b"{}") if member.name == "store/mark.json" else (member, content) for member, content in rest]
    place = tmp_path / "in" / "it"
    place.mkdir(parents=True)

    with pytest.raises(BackupDamaged):
        unpack(built([plain(MANIFEST, json.dumps(values).encode()), *rest]), place)
    assert not [path for path in tmp_path.rglob("*") if path.name in {"outside", "other"}]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_what_is_no_file_is_refused(kind, tmp_path):
    entries = [
        plain(member.name, b"", type=kind, linkname="/etc/passwd")
        if member.name == "store/mark.json"
        else (member, content)
        for member, content in members(packed(CONTENTS | {"store/mark.json": b""})[0])
    ]

    with pytest.raises(BackupDamaged):
        unpack(built(entries), tmp_path)
    assert not (tmp_path / "store" / "mark.json").exists()


def test_a_file_that_a_link_stands_for_already_is_not_written_through_it(tmp_path):
    treasure = tmp_path / "treasure"
    treasure.write_text("mine")
    place = tmp_path / "place"
    place.mkdir()
    (place / SQLITE).symlink_to(treasure)

    with pytest.raises(OSError, match="exists"):
        unpack(packed()[0], place)
    assert treasure.read_text() == "mine"


def test_a_header_that_wants_a_gigabyte_of_memory_is_refused(tmp_path, monkeypatch):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    bomb = gzip.compress(header.tobuf() + bytes(2**20))
    asked = []

    class Watched(gzip.GzipFile):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(archive.gzip, "GzipFile", Watched)
    with pytest.raises(BackupDamaged):
        unpack(bomb, tmp_path)
    assert 0 < max(asked) <= MOST_OCTETS


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_another_content(tmp_path_factory, place, bit):
    octets, manifest = packed(SMALL)
    changed = bytearray(octets)
    changed[place % len(octets)] ^= 1 << bit
    directory = tmp_path_factory.mktemp("flipped")

    try:
        found = unpack(bytes(changed), directory)
    except BackupDamaged:
        return
    # In the head of the compression there are bits that mean nothing.
    assert found == manifest


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_one_that_was_cut_off_is_refused(part, tmp_path):
    octets, _manifest = packed()

    with pytest.raises(BackupDamaged):
        unpack(octets[: int(len(octets) * part)], tmp_path)


# -- the manifest itself -----------------------------------------------------------------------------------------------


def with_values(**changes):
    _octets, manifest = packed()
    return json.dumps(json.loads(manifest.content()) | changes).encode()


def test_a_manifest_is_read_as_it_was_written():
    _octets, manifest = packed()

    assert Manifest.read(manifest.content()) == manifest
    assert Manifest.read(with_values()) == manifest


@pytest.mark.parametrize(
    "changes",
    [
        {"links": {"current": "../../etc"}},
        {"links": {"current": "generations/0001/../.."}},
        {"links": {"other": "generations/0001"}},
        {"links": ["current"]},
        {"files": {}},
        {"files": {SQLITE: {"size": 1, "sha256": "a" * 64}}},
        {"files": {"x": {"size": -1, "sha256": "a" * 64}}},
        {"made_at": "2027-03-01T02:30:00"},
        {"made_at": 5},
        {"site": "North\x1b[2J"},
        {"site": None},
        {"holds": {"generations": "many"}},
        {"holds": {"generations": True}},
        {"environment": {"STORE": "a\nb"}},
        {"format": "1"},
        {"format": -1},
    ],
)
def test_a_manifest_with_other_values_is_refused(changes):
    with pytest.raises(BackupDamaged):
        Manifest.read(with_values(**changes))


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(content):
    with pytest.raises(BackupDamaged):
        Manifest.read(content)


def test_one_of_a_newer_format_names_the_version_that_made_it():
    with pytest.raises(BackupUnfit, match=r"9\.1\.0"):
        Manifest.read(with_values(format=2, version="9.1.0", files="something new"))


def test_both_databases_at_once_are_none():
    _octets, manifest = packed()
    twice = dataclasses.replace(manifest, files=manifest.files | {"database.dump": manifest.files[SQLITE]})

    with pytest.raises(BackupDamaged):
        Manifest.read(twice.content())
