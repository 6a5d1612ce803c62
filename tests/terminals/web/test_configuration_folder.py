"""The block in the files of a site that has a configuration server of its own."""

import os
import stat
from pathlib import Path

import pytest

from terminals.web import configuration_folder, snapshot

MAC = "00085D000001"
TOO_LARGE = "configuration_files_too_large"
OWN = b"\xef\xbb\xbf# ours\r\nsip line1 user name: M\xfcller\r\n\r\nno newline at the end"


def sparse(path, size):
    path.touch()
    os.truncate(path, size)


def with_another_name(path):
    path.touch()
    path.with_name("another name").hardlink_to(path)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "tftp"
    folder.mkdir()
    return folder


@pytest.fixture
def keep(world, fleet, folder):
    world.set(own_names=["certs.example.com"])
    fleet.add(1, mac=MAC)
    fleet.add(1, fleet.type("Desk phone", "sip_standard"), mac="00085D000002")

    def keep():
        return {
            notice.id: notice.text for notice in configuration_folder.keep(snapshot.read_snapshot(), folder, port=8443)
        }

    return keep


def test_the_block_is_added_and_every_other_byte_mode_and_owner_stay(keep, folder):
    file = folder / f"{MAC}.cfg"
    file.write_bytes(OWN)
    file.chmod(0o640)
    os.chown(file, 1234, 4321) if os.geteuid() == 0 else None
    before = file.stat()

    assert keep() == {}

    content = file.read_bytes()
    assert content.startswith(OWN + b"\r\n# pbxcerts begin\r\n")
    assert b"https user certificates: https://certs.example.com:8443/00085D000001/1." in content
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [each.name for each in folder.iterdir()] == [file.name]


def test_it_is_written_once_and_again_when_there_is_something_new(keep, folder, world):
    file = folder / f"{MAC}.cfg"
    file.write_bytes(b"a: b\n")
    keep()
    inode, first = file.stat().st_ino, file.read_bytes()
    keep()
    assert file.stat().st_ino == inode

    world.generate()
    assert keep() == {}

    assert file.read_bytes() != first
    assert file.read_bytes().count(b"# pbxcerts begin") == 1
    assert b"/2-1." in file.read_bytes()


def test_files_of_nobody_of_another_method_and_other_files_are_left_alone(keep, folder):
    for name in ("00085D00FFFF.cfg", "00085D000002.cfg", "startup.cfg", f"{MAC}.cfg.bak", f"{MAC}.txt"):
        (folder / name).write_bytes(b"a: b\n")

    assert keep() == {}

    assert {file.read_bytes() for file in folder.iterdir()} == {b"a: b\n"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content + content[content.index(b"# pbxcerts begin") :],
        lambda content: content.replace(b"# pbxcerts end\n", b""),
        lambda content: content.replace(b"# pbxcerts begin\n", b""),
        lambda content: content.replace(b"^https validate hostname: 1", b"^https validate hostname: 0"),
        lambda content: content.replace(b"# pbxcerts end", b"sip line1 user name: 12\n# pbxcerts end"),
    ],
    ids=["doubled", "without an end", "without a beginning", "edited", "added to"],
)
def test_what_a_person_has_done_to_the_block_is_told_and_nothing_is_written(keep, folder, world, spoil):
    file = folder / f"{MAC}.cfg"
    file.write_bytes(b"a: b\n")
    keep()
    file.write_bytes(spoil(file.read_bytes()))
    spoiled = file.read_bytes()

    world.generate()
    told = keep()

    assert list(told) == ["configuration_block_edited"]
    assert file.name in told["configuration_block_edited"]
    assert file.read_bytes() == spoiled


def test_links_are_not_followed(keep, folder, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"a: b\n")
    (folder / f"{MAC}.cfg").symlink_to(other)

    assert list(keep()) == ["configuration_files_refused"]
    assert other.read_bytes() == b"a: b\n"


@pytest.mark.parametrize(
    ("put", "told"),
    [
        (os.mkfifo, "configuration_files_not_regular"),
        (os.mkdir, "configuration_files_not_regular"),
        (with_another_name, "configuration_files_not_regular"),
        (lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "configuration_files_refused"),
        (lambda path: sparse(path, 3 * 1024**3), TOO_LARGE),
    ],
    ids=["pipe", "directory", "several names", "socket", "3 GB"],
)
def test_what_is_no_configuration_file_is_named_and_the_others_get_their_block(keep, fleet, folder, put, told):
    fleet.add(1, mac="00085D000003")
    put(folder / f"{MAC}.cfg")
    other = folder / "00085D000003.cfg"
    other.write_bytes(b"a: b\n")

    notices = keep()

    assert list(notices) == [told]
    assert f"{MAC}.cfg" in notices[told]
    assert b"# pbxcerts begin" in other.read_bytes()


def test_a_file_that_would_be_too_large_with_its_block_is_left_as_it_is(keep, folder):
    file = folder / f"{MAC}.cfg"
    for size, told in ((configuration_folder.LARGEST // 2, []), (configuration_folder.LARGEST, [TOO_LARGE])):
        content = b"#" * (size - 1) + b"\n"
        file.write_bytes(content)

        assert list(keep()) == told
        assert (file.read_bytes() == content) is bool(told)
        assert list(keep()) == told


def test_looking_at_the_folder_leaves_no_descriptor_open(keep, folder):
    (folder / f"{MAC}.cfg").mkdir()
    keep()
    before = {each.name for each in Path("/proc/self/fd").iterdir()}

    keep()

    assert {each.name for each in Path("/proc/self/fd").iterdir()} <= before


def test_a_folder_that_is_not_there_is_told(keep, folder):
    folder.rmdir()

    assert list(keep()) == ["configuration_files_refused"]


def test_without_a_name_under_which_terminals_reach_us_nothing_is_written(keep, folder, world):
    world.set(own_names=[])
    file = folder / f"{MAC}.cfg"
    file.write_bytes(b"a: b\n")

    assert list(keep()) == ["configuration_folder_without_name"]
    assert file.read_bytes() == b"a: b\n"


def test_the_block_names_the_file_that_proves_nothing(keep, folder):
    """Another server gives it out, to whoever knows a MAC."""
    file = folder / f"{MAC}.cfg"
    file.write_bytes(OWN)
    keep()
    [terminal] = [one for one in snapshot.read_snapshot().terminals if one.mac == MAC]
    assert terminal.trust_part() in file.read_text("latin-1")
    assert terminal.proving_part() not in file.read_text("latin-1")
    assert terminal.path_secret not in file.read_text("latin-1")
