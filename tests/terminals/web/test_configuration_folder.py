"""The block in the files of a site that has a configuration server of its own."""

import os

import pytest

from terminals import configuration_folder
from terminals.web import snapshot

MAC = "00085D000001"
OWN = b"\xef\xbb\xbf# ours\r\nsip line1 user name: M\xfcller\r\n\r\nno newline at the end"


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
        return {notice.id: notice.text for notice in configuration_folder.keep(snapshot.read(), folder, port=8443)}

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


def test_a_folder_that_is_not_there_is_told(keep, folder):
    folder.rmdir()

    assert list(keep()) == ["configuration_files_refused"]


def test_without_a_name_under_which_terminals_reach_us_nothing_is_written(keep, folder, world):
    world.set(own_names=[])
    file = folder / f"{MAC}.cfg"
    file.write_bytes(b"a: b\n")

    assert list(keep()) == ["configuration_folder_without_name"]
    assert file.read_bytes() == b"a: b\n"
