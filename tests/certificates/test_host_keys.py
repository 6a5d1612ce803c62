"""Host keys at rest: the first key of the list encrypts, every key of it decrypts."""

import stat
import threading

import pytest
from cryptography.fernet import Fernet

from certificates import host_keys
from certificates.host_keys import HostKeyError
from certificates.models import Generation
from certificates.observing import observe
from certificates.pki.keys import SecretPem
from certificates.warnings import warnings
from pbxcerts import env
from pbxcerts.system.models import Heartbeat

pytestmark = pytest.mark.django_db

SECRET = SecretPem(b"-----BEGIN PRIVATE KEY-----\n")


def a_key():
    return Fernet.generate_key().decode()


def test_what_is_encrypted_comes_back_and_is_not_to_be_seen(key_file):
    token = host_keys.encrypt(SECRET)
    assert host_keys.decrypt(memoryview(token)).reveal() == SECRET.reveal()
    assert b"PRIVATE" not in token


def test_the_first_encryption_makes_the_list_for_the_owner_alone(key_file):
    host_keys.encrypt(SECRET)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(key_file.read_text().split()) == 1


def test_the_first_key_encrypts_and_all_decrypt(key_file):
    old, new = a_key(), a_key()
    key_file.write_text(old)
    by_old = host_keys.encrypt(SECRET)
    key_file.write_text(f"{new}\n\n{old}\n")
    by_new = host_keys.encrypt(SECRET)
    assert host_keys.decrypt(by_old).reveal() == host_keys.decrypt(by_new).reveal() == SECRET.reveal()
    key_file.write_text(new)
    assert host_keys.decrypt(by_new).reveal() == SECRET.reveal()
    with pytest.raises(HostKeyError, match="no key in"):
        host_keys.decrypt(by_old)


def lost_keys(world):
    situation = world.situation
    seen = observe(situation, Heartbeat.load(), published=world.store)
    return [notice.params["number"] for notice in warnings(situation, seen) if notice.id == "key_lost"]


def test_a_key_that_was_taken_out_too_early_loses_nothing(running, key_file):
    """The pair stays served, the page says it, and with the key put back into the list all goes on."""
    old = key_file.read_text()
    key_file.write_text(a_key())

    assert running.beat().publish_failure == ""
    assert lost_keys(running) == [1]
    assert running.store.current == 1
    assert running.published("current/host.key").exists()
    assert Generation.objects.get(number=1).host_key is not None

    key_file.write_text(f"{a_key()}\n{old}")
    running.beat()
    assert lost_keys(running) == []


def test_a_new_pair_leads_out_of_a_lost_key(running, key_file):
    key_file.write_text(a_key())

    running.generate(at_once=True)

    assert running.states == {1: "superseded", 2: "active"}
    assert running.store.current == 2
    assert running.published("current/host.key").exists()


def test_a_pair_whose_key_is_lost_is_never_switched_to(running, key_file):
    running.generate()
    key_file.write_text(a_key())

    switch = running.activate()

    assert (switch.outcome, switch.reload_failure) == ("refused", "key lost")
    assert running.store.current == 1


def test_a_list_that_is_gone_is_told_and_no_new_one_hides_it(running, key_file):
    aside = key_file.rename(key_file.with_suffix(".aside"))
    assert "cannot be read: No such file" in running.beat().publish_failure
    running.generate()
    assert running.generation(2).state == "failed"
    assert "cannot be read" in running.generation(2).failure_detail
    assert not key_file.exists()
    aside.rename(key_file)
    running.generate()
    assert running.states == {1: "active", 2: "failed", 3: "prepared"}


@pytest.mark.parametrize("content", ["", "\n", "too-short", "x" * 44, f"{'A' * 43}=\nrubbish"])
def test_a_list_with_a_line_that_is_no_key_is_told(key_file, content):
    key_file.write_text(content)
    with pytest.raises(HostKeyError, match="holds a line that is no Fernet key, or none"):
        host_keys.encrypt(SECRET)
    assert key_file.read_text() == content


def test_a_list_that_is_a_directory_is_told(key_file):
    key_file.mkdir()
    with pytest.raises(HostKeyError, match="cannot be read"):
        host_keys.encrypt(SECRET)


def test_two_that_make_the_list_at_once_make_one(tmp_path):
    """Whoever comes second finds the other's, whole."""
    file, read, start = tmp_path / "secrets" / "list", [], threading.Barrier(8)

    def make(value):
        start.wait()
        env.write_secret(file, value)
        read.append(file.read_text())

    threads = [threading.Thread(target=make, args=[str(number) * 44]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read)) == 1
    assert len(read[0]) == 45
    assert list(file.parent.iterdir()) == [file]
