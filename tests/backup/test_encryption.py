"""What opens a backup, and that nothing else does: the age format, with Debian's `age` on the other side."""

import fcntl
import io
import os
import pty
import subprocess
import termios

import pyrage
import pytest

from pbxcerts.backup import encryption, passphrase
from pbxcerts.backup.encryption import Identities, Passphrase, Recipients
from pbxcerts.backup.errors import BackupDamaged, BackupError, BackupLocked
from pbxcerts.system import age_keys
from tests.support.backups import KeyPair, flipped
from tests.support.peers import require_program

PLAIN = bytes(range(256)) * 1000
PASSPHRASE = Passphrase("correct horse battery staple")
WORK = passphrase.WORK


@pytest.fixture(scope="module", autouse=True)
def _little_work():
    """The product lets each use of a passphrase take a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passphrase, "WORK", 10)
        yield


@pytest.fixture
def as_much_work_as_ever(monkeypatch):
    monkeypatch.setattr(passphrase, "WORK", WORK)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return KeyPair(tmp_path_factory.mktemp("key"))


def encrypted(to):
    backup = io.BytesIO()
    written = encryption.encrypt(io.BytesIO(PLAIN), backup, to)
    assert written.size == len(backup.getvalue())
    return backup.getvalue()


def decrypted(octets, by):
    plain = io.BytesIO()
    encryption.decrypt(io.BytesIO(octets), plain, by)
    return plain.getvalue()


@pytest.fixture(scope="module")
def by_passphrase():
    return encrypted(PASSPHRASE)


@pytest.fixture(scope="module")
def by_key(key):
    return encrypted(key.recipients)


@pytest.mark.peer
def test_age_opens_what_we_made_and_we_open_what_age_made(key, by_key, tmp_path):
    file = tmp_path / "one.age"
    file.write_bytes(by_key)
    assert key.opened_by_age(file) == PLAIN

    for option in ([], ["--armor"]):
        made = subprocess.run(
            ["age", *option, "--recipient", key.public], input=PLAIN, capture_output=True, check=True
        ).stdout
        assert decrypted(made, key.identities) == PLAIN


@pytest.mark.peer
def test_each_of_several_keys_opens_it(key, tmp_path):
    other = KeyPair(tmp_path)
    octets = encrypted(Recipients((key.public, other.public)))

    for one in (key, other):
        assert decrypted(octets, one.identities) == PLAIN


def at_a_terminal(command, typed, output):
    """What a program asks for at its terminal is typed there; its exit status."""
    ours, its = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(its, termios.TIOCSCTTY, 0)

    with output.open("wb") as written:
        process = subprocess.Popen(
            command, stdin=its, stdout=written, stderr=its, preexec_fn=take_terminal, close_fds=True
        )
    os.close(its)
    try:
        os.read(ours, 1000)
        for line in typed:
            os.write(ours, f"{line}\n".encode())
            os.read(ours, 1000)
        return process.wait(60)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


EDGES_OF_CHUNKS = [0, 1, 65535, 65536, 65537, 200_000]


@pytest.mark.peer
@pytest.mark.parametrize("size", EDGES_OF_CHUNKS)
def test_a_library_of_others_opens_what_our_passphrase_has_locked(size):
    plain, backup = os.urandom(size), io.BytesIO()
    encryption.encrypt(io.BytesIO(plain), backup, PASSPHRASE)

    assert pyrage.passphrase.decrypt(backup.getvalue(), PASSPHRASE.text) == plain
    assert decrypted(backup.getvalue(), PASSPHRASE) == plain


@pytest.mark.peer
@pytest.mark.parametrize(
    "size", [pytest.param(size, marks=[] if size == 65536 else pytest.mark.long) for size in EDGES_OF_CHUNKS]
)
def test_we_open_what_a_library_of_others_has_locked_by_a_passphrase(size):
    """It measures how much work this machine does in a second, and takes some of them for it."""
    plain = os.urandom(size)
    assert decrypted(pyrage.passphrase.encrypt(plain, PASSPHRASE.text), PASSPHRASE) == plain


@pytest.mark.peer
def test_the_program_age_opens_what_a_passphrase_has_locked(as_much_work_as_ever, tmp_path):
    file, plain = tmp_path / "one.age", tmp_path / "plain"
    file.write_bytes(encrypted(PASSPHRASE))
    age = [require_program("age"), "--decrypt", file]

    assert at_a_terminal(age, ["another passphrase"], plain) != 0
    assert at_a_terminal(age, [PASSPHRASE.text], plain) == 0
    assert plain.read_bytes() == PLAIN


class Trickle(io.BytesIO):
    """A pipe: it gives a little at a time."""

    def read(self, size=-1):
        return super().read(min(size, 1000))


def test_what_comes_through_a_pipe_is_the_same(by_passphrase):
    plain, backup = io.BytesIO(), io.BytesIO()
    encryption.decrypt(Trickle(by_passphrase), plain, PASSPHRASE)
    encryption.encrypt(Trickle(PLAIN), backup, PASSPHRASE)

    assert plain.getvalue() == decrypted(backup.getvalue(), PASSPHRASE) == PLAIN


def test_each_is_another_though_all_else_is_the_same(by_passphrase):
    assert encrypted(PASSPHRASE)[22:60] != by_passphrase[22:60]


def test_one_that_would_use_up_the_memory_is_refused_at_once(as_much_work_as_ever):
    octets = encrypted(PASSPHRASE)
    assert b" 18\n" in octets[:60]
    with pytest.raises(BackupLocked, match="memory"):
        decrypted(octets.replace(b" 18\n", b" 30\n", 1), PASSPHRASE)


def test_a_last_chunk_that_is_empty_is_no_end():
    """Whoever knows the passphrase could end it in two ways; the format has one."""
    backup = io.BytesIO()
    encryption.encrypt(io.BytesIO(bytes(passphrase.CHUNK)), backup, PASSPHRASE)
    octets = backup.getvalue()
    begin = octets.index(b"\n---")
    begin = octets.index(b"\n", begin + 1) + 1

    with pytest.MonkeyPatch.context() as patch:
        cipher = passphrase.ChaCha20Poly1305
        keys = []
        patch.setattr(passphrase, "ChaCha20Poly1305", lambda key: keys.append(key) or cipher(key))
        decrypted(octets, PASSPHRASE)
    payload = cipher(keys[-1])
    other = octets[: begin + 16] + payload.encrypt(bytes(12), bytes(passphrase.CHUNK), None)
    other += payload.encrypt((1).to_bytes(11, "big") + b"\x01", b"", None)
    with pytest.raises(BackupDamaged):
        decrypted(other, PASSPHRASE)


@pytest.mark.peer
def test_what_does_not_fit_is_said_by_what_it_is(key, by_key, by_passphrase, tmp_path):
    other = KeyPair(tmp_path)
    for octets, by, said in (
        (by_passphrase, Passphrase("correct horse battery stable"), "passphrase is wrong"),
        (by_passphrase, key.identities, "None of the keys"),
        (by_key, other.identities, "None of the keys"),
        (by_key, PASSPHRASE, "--identity"),
    ):
        with pytest.raises(BackupLocked, match=said):
            decrypted(octets, by)


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["key", "passphrase"])
def test_it_opens_to_its_end_as_it_was_made_or_not_at_all(key, by_key, by_passphrase, kind):
    whole, by = (by_key, key.identities) if kind == "key" else (by_passphrase, PASSPHRASE)
    payload = whole.index(b"\n---") + 80
    swapped = whole[:payload] + whole[payload + 65552 : payload + 131104] + whole[payload : payload + 65552]
    for octets in (
        b"",
        b"hello",
        bytes(1000),
        whole[:40],
        whole[:-1],
        whole[: len(whole) // 2],
        whole + b"x",
        flipped(whole, payload + 1000),
        flipped(whole, len(whole) - 5),
        swapped + whole[payload + 131104 :],
    ):
        with pytest.raises(BackupDamaged):
            decrypted(octets, by)


@pytest.mark.peer
def test_its_beginning_can_not_be_changed_either(key, by_key, by_passphrase):
    for octets, by in ((by_key, key.identities), (by_passphrase, PASSPHRASE)):
        for place in range(octets.index(b"\n---") + 70):
            with pytest.raises(BackupError):
                decrypted(flipped(octets, place), by)


class Full(io.BytesIO):
    def write(self, _octets):
        raise OSError(28, "No space left on device")


@pytest.mark.peer
def test_a_full_disk_keeps_its_number_and_its_words(key, by_key):
    with pytest.raises(OSError, match="No space left") as full:
        encryption.encrypt(io.BytesIO(PLAIN), Full(), key.recipients)
    assert full.value.errno == 28
    with pytest.raises(OSError, match="No space left"):
        encryption.decrypt(io.BytesIO(by_key), Full(), key.identities)


def test_a_file_of_keys_may_hold_comments_and_nothing_else(key):
    text = key.file.read_text()
    assert encryption.identities_in(text) == key.identities
    for other in ("", "# only a comment\n", key.public, f"{text}\nmore", text.replace("AGE-SECRET-KEY-1", "")):
        with pytest.raises(BackupLocked):
            encryption.identities_in(other)


def test_a_private_key_is_no_recipient(key):
    assert age_keys.is_recipient(key.public)
    for other in ("", "age1", key.identities.keys[0], f"{key.public}x", "ssh-ed25519 AAAA"):
        assert not age_keys.is_recipient(other)


def test_keys_are_never_shown(key):
    assert key.identities.keys[0] not in repr(key.identities)
    assert PASSPHRASE.text not in f"{PASSPHRASE!r}"
    assert isinstance(key.identities, Identities)
