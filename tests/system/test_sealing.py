"""Secrets at rest: the first key of the list seals, every key of it unseals (rule sealed)."""

import json
import stat

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection, models
from django.utils import timezone

from certificates.models import Generation
from pbxcerts.system import sealing
from pbxcerts.system.commands import CommandFailed
from pbxcerts.system.models import General
from pbxcerts.system.sealing import KeyListError, SealingKeyLost
from terminals.directory import changes
from terminals.drivers.registry import driver_of
from terminals.models import DeliverySettings, Terminal, TerminalType

pytestmark = pytest.mark.django_db

SECRET = b"-----BEGIN PRIVATE KEY-----\n"


def a_key():
    return Fernet.generate_key().decode()


def test_what_is_sealed_comes_back_and_is_not_to_be_seen(key_file):
    token = sealing.seal(SECRET)
    assert sealing.unseal(memoryview(token)) == SECRET
    assert b"PRIVATE" not in token


def test_the_first_secret_makes_the_list_for_the_owner_alone(key_file):
    sealing.seal(SECRET)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(key_file.read_text().split()) == 1


def test_the_first_key_seals_and_all_unseal(key_file):
    old, new = a_key(), a_key()
    key_file.write_text(old)
    by_old = sealing.seal(SECRET)
    key_file.write_text(f"{new}\n\n{old}\n")
    by_new = sealing.seal(SECRET)
    assert sealing.unseal(by_old) == sealing.unseal(by_new) == SECRET
    key_file.write_text(new)
    assert sealing.unseal(by_new) == SECRET
    with pytest.raises(SealingKeyLost, match="kein Schlüssel in"):
        sealing.unseal(by_old)


@pytest.mark.parametrize("form", ["{}\r\n\r\n{}\r\n", "\ufeff{}\n{}\n", "\n\ufeff{}\n{}\n", "{}\n\ufeff{}"])
def test_the_list_is_read_as_editors_and_copies_leave_it(key_file, form):
    old, new = a_key(), a_key()
    key_file.write_text(old)
    by_old = sealing.seal(SECRET)
    key_file.write_bytes(form.format(new, old).encode())
    assert sealing.unseal(by_old) == SECRET
    assert Fernet(new).decrypt(sealing.seal(SECRET)) == SECRET


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_in_utf_16_is_told_as_such(key_file, encoding):
    key_file.write_bytes(a_key().encode(encoding))
    with pytest.raises(KeyListError, match="UTF-16"):
        sealing.key_list()


def test_a_list_that_a_loss_of_power_filled_with_zeros_is_not_told_as_utf_16(key_file):
    key_file.write_bytes(bytes(44))
    with pytest.raises(KeyListError, match="kein Fernet-Schlüssel"):
        sealing.key_list()


def of_a_host_key(token):
    Generation.objects.create(number=1, replaces=0, ordered_at=timezone.now(), host_key=token)


def of_a_telephone(token):
    Terminal.objects.create(number="101", type=TerminalType.objects.all()[0], sip_password=token)


def of_the_account(token):
    DeliverySettings.load()
    DeliverySettings.objects.update(account_password=token)


@pytest.mark.parametrize("keep", [of_a_host_key, of_a_telephone, of_the_account])
def test_no_new_list_hides_the_loss_of_the_one_that_sealed_something(key_file, keep):
    keep(sealing.seal(SECRET))
    key_file.unlink()

    with pytest.raises(KeyListError, match="kann nicht gelesen werden: No such file"):
        sealing.seal(SECRET)

    assert not key_file.exists()


def test_a_list_is_made_anew_while_nothing_is_sealed(key_file):
    sealing.seal(SECRET)
    key_file.unlink()

    sealing.seal(SECRET)

    assert key_file.exists()


@pytest.mark.parametrize("content", ["", "\n", "too-short", "x" * 44, f"{'A' * 43}=\nrubbish"])
def test_a_list_with_a_line_that_is_no_key_is_told(key_file, content):
    key_file.write_text(content)
    with pytest.raises(KeyListError, match="enthält eine Zeile, die kein Fernet-Schlüssel ist"):
        sealing.seal(SECRET)
    assert key_file.read_text() == content


@pytest.fixture
def three_secrets(key_file):
    """Sealed with the old key, with the new one, and with one that is lost; returns the list of the two."""
    old, new = a_key(), a_key()
    for keys, keep in [(a_key(), of_a_telephone), (old, of_a_host_key), (f"{new} {old}", of_the_account)]:
        key_file.write_text(keys)
        keep(sealing.seal(SECRET))
    return new, old


def test_every_secret_is_sealed_anew_with_the_first_key_and_the_old_one_may_go(key_file, three_secrets):
    lost = bytes(Terminal.objects.get().sip_password)

    done = sealing.seal_anew()

    key_file.write_text(three_secrets[0])
    assert sealing.unseal(Generation.objects.get().host_key) == SECRET
    assert sealing.unseal(DeliverySettings.objects.get().account_password) == SECRET
    assert (done.anew, done.as_before) == (1, 1)
    assert done.lost == [f"terminals.terminal.sip_password {Terminal.objects.get().pk}"]
    assert bytes(Terminal.objects.get().sip_password) == lost


def test_all_are_sealed_anew_or_none(key_file, three_secrets, monkeypatch):
    before = bytes(Generation.objects.get().host_key)
    monkeypatch.setattr(models.QuerySet, "bulk_update", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        sealing.seal_anew()

    assert bytes(Generation.objects.get().host_key) == before


def test_the_command_says_what_it_did_and_which_secrets_no_key_reads(key_file, three_secrets, capsys):
    General.load()
    General.objects.update(language="en")

    with pytest.raises(CommandFailed) as told:
        call_command("rekey")
    assert told.value.code == "key_lost"
    assert str(told.value).startswith(
        f"Secrets sealed anew with the first key in {key_file}: 1; sealed with it before: 1."
    )
    assert "terminals.terminal.sip_password" in str(told.value)
    Terminal.objects.all().delete()

    call_command("rekey", "--json")

    assert json.loads(capsys.readouterr().out) == {"anew": 0, "as_before": 2, "lost": []}


LINES = "sip line1 user name: 100\nsip line1 password: secret"


@pytest.fixture
def with_lines(key_file):
    return Terminal.objects.create(number="101", type=TerminalType.objects.all()[0], own_lines=LINES)


def stored_lines():
    with connection.cursor() as cursor:
        return cursor.execute("SELECT own_lines FROM terminals_terminal").fetchone()[0]


def test_own_lines_are_sealed_at_rest_and_read_as_text(with_lines):
    assert b"secret" not in bytes(stored_lines())
    assert Terminal.objects.get().own_lines == LINES
    assert list(Terminal.objects.values_list("own_lines", flat=True)) == [LINES]
    Terminal.objects.update(own_lines="other: 1")
    assert Terminal.objects.get().own_lines == "other: 1"
    Terminal.objects.update(own_lines="")
    assert stored_lines() is None
    assert Terminal.objects.get().own_lines == ""


def test_own_lines_that_no_key_decrypts_are_not_taken_for_none_and_stay(with_lines, key_file):
    before = bytes(stored_lines())
    keys = key_file.read_text()
    key_file.write_text(a_key())
    found = Terminal.objects.get()
    assert found.own_lines.is_lost
    with pytest.raises(SealingKeyLost):
        driver_of("mitel_sip").files.own_lines.checked(found.own_lines, path_is_secret=True)

    changes.save(found, {"name": "Hall", "own_lines": ""})

    assert Terminal.objects.get().name == "Hall"
    assert bytes(stored_lines()) == before
    key_file.write_text(keys)
    assert Terminal.objects.get().own_lines == LINES


def test_own_lines_are_sealed_anew_with_the_first_key_too(with_lines, key_file):
    new = a_key()
    key_file.write_text(f"{new}\n{key_file.read_text()}")

    assert sealing.seal_anew().anew == 1

    key_file.write_text(new)
    assert Terminal.objects.get().own_lines == LINES


def test_a_list_that_is_a_directory_is_told(key_file):
    key_file.mkdir()
    with pytest.raises(KeyListError, match="kann nicht gelesen werden"):
        sealing.seal(SECRET)
