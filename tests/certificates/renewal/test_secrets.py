"""A whole renewal, and then a search for its keys in everything that it left behind."""

import base64
import logging
import re
from collections import Counter
from functools import cache
from html import unescape
from itertools import chain
from urllib.parse import urljoin

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.urls import resolve
from django_q.models import OrmQ, Task
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from certificates.communication_server.store import KEY_FILES
from certificates.models import Generation
from certificates.pki import authority
from certificates.pki.keys import generate_two
from certificates.renewal import making
from pbxcerts.system import sealing
from pbxcerts.system.wake_worker import HEARTBEAT_TASK
from tests.support.generations import MINUTE

pytestmark = pytest.mark.simulation


PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
NONE = serialization.NoEncryption()


def needles(key):
    """What a private key looks like wherever it may have leaked to: DER, PEM, its secret numbers as bytes or text."""
    private = key.private_numbers()
    secrets = [private.p, private.q, private.d] if isinstance(key, rsa.RSAPrivateKey) else [private.private_value]
    numbers = [number.to_bytes((number.bit_length() + 7) // 8) for number in secrets]
    der = [key.private_bytes(serialization.Encoding.DER, form, NONE) for form in (PKCS8, TRADITIONAL)]
    # The numbers stand in the DER as they are, at an offset that decides how base64 cuts them; the digits at both ends
    # depend on their neighbours.
    in_base64 = [
        encode(number[skipped:])[4:36]
        for number in numbers
        for skipped in range(3)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    ]
    lines = key.private_bytes(serialization.Encoding.PEM, PKCS8, NONE).splitlines()
    # The first line of a PEM says no more than the kind of key.
    in_pem = [line for line in lines[2:] if len(line) == 64]
    return [*der, *numbers, *in_base64, *in_pem, *(n.hex().encode() for n in numbers), *(b"%d" % n for n in secrets)]


def found_in(haystack, key):
    return [needle for needle in needles(key) if needle in haystack]


@pytest.fixture(scope="module")
def new_keys():
    """Real ones, and each pair of a test has its own; those of RSA take their time, so the next test gets them again."""
    return cache(lambda _number, key_type: generate_two(key_type))


@pytest.fixture
def made_keys(monkeypatch, new_keys):
    """(root key, host key) of every pair that is made: only whoever knows a key can look for it."""
    made = []

    def remembering(key_type):
        made.append(new_keys(len(made), key_type))
        return made[-1]

    # The product drops the root key in the function that makes it; the test has to stand inside.
    monkeypatch.setattr(authority, "generate_two", remembering)
    return made


@pytest.fixture
def every_query_in_the_log(db, caplog):
    for name in (None, "django", "django.db.backends"):
        caplog.set_level(logging.DEBUG, name)
    connection.force_debug_cursor = True
    yield
    connection.force_debug_cursor = False


@pytest.fixture
def renewed(every_query_in_the_log, world, made_keys):
    """The first pair, a renewal with its handover, a failed switch, a roll back and a discarded pair."""
    world.set(key_type="rsa2048")
    world.generate()
    world.at("2027-07-01 00:00").beat()
    world.refuse_to_reload()
    world.activate()
    world.reload_again()
    world.after(2 * MINUTE).beat()
    assert world.states == {1: "superseded", 2: "active"}
    world.roll_back()
    world.set(key_type="p256")
    world.generate()
    world.discard()
    world.generate()
    assert world.states == {1: "active", 2: "discarded", 3: "discarded", 4: "prepared"}
    return world


def database_file():
    """Every page of the database as it stands on a disk, free ones included."""
    connection.ensure_connection()
    return connection.connection.serialize()


def test_the_search_finds_a_key_that_is_there(renewed, made_keys):
    for key in chain.from_iterable(made_keys):
        pem, der = (
            key.private_bytes(form, PKCS8, NONE) for form in (serialization.Encoding.PEM, serialization.Encoding.DER)
        )
        shown = {secret for name, secret in vars_of(key.private_numbers()).items() if name in {"p", "private_value"}}
        leaks = [
            pem,
            der,
            der.hex().encode(),
            *(base64.b64encode(b"x" * n + der) for n in range(3)),
            repr(shown).encode(),
        ]
        for leak in leaks:
            assert found_in(b"before" + leak + b"after", key), leak
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert not found_in(public + base64.b64encode(public) + public.hex().encode(), key)


def vars_of(numbers):
    return {name: getattr(numbers, name) for name in dir(numbers) if not name.startswith("_")}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="another process has the files of the database")
def test_no_key_is_in_the_database(renewed, made_keys):
    everything = database_file()
    assert renewed.active.host_sha256.encode() in everything
    assert b"PRIVATE KEY" not in everything
    assert b"OPENSSH" not in everything
    for key in chain.from_iterable(made_keys):
        assert not found_in(everything, key)


def test_the_database_holds_host_keys_only_encrypted(renewed, made_keys):
    kept = Generation.objects.filter(host_key__isnull=False)
    assert {pair.number for pair in kept} == {1, 4}
    for pair in kept:
        token = bytes(pair.host_key)
        assert token.startswith(b"gAAAA")  # a Fernet token
        assert sealing.unseal(token).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_no_key_is_in_a_task(renewed, made_keys):
    async_task(HEARTBEAT_TASK)
    queued = repr([SignedPackage.loads(task.payload) for task in OrmQ.objects.all()])
    assert HEARTBEAT_TASK in queued
    assert not Task.objects.exists()  # our own tables say what happened
    for key in chain.from_iterable(made_keys):
        assert not found_in(queued.encode(), key)


def test_no_key_is_in_a_log_not_even_with_every_query_in_it(renewed, made_keys, caplog):
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    said = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in records)
    assert "INSERT INTO" in said
    assert "PRIVATE KEY" not in said
    for key in chain.from_iterable(made_keys):
        assert not found_in(said.encode(), key)


def test_on_the_disk_a_host_key_is_in_its_own_files_and_no_root_key_anywhere(renewed, made_keys, tmp_path):
    for file in [file for file in tmp_path.rglob("*") if file.is_file()]:
        content = file.read_bytes()
        for root_key, host_key in made_keys:
            assert not found_in(content, root_key), file
            assert not found_in(content, host_key) or file.name in KEY_FILES, file
    served = renewed.published("current/host.key").read_bytes()
    assert found_in(served, made_keys[0][1])  # the negative control: that one is found


def test_an_unforeseen_failure_logs_no_key(running, made_keys, caplog, monkeypatch):
    def refuse(pair, **options):
        raise RuntimeError(f"cannot verify {pair}")

    # A defect that drops the whole pair into the log is what this is about.
    monkeypatch.setattr(making, "verify_pair", refuse)
    assert running.generate().state == "failed"
    assert "cannot verify" in caplog.text
    for key in chain.from_iterable(made_keys):
        assert not found_in((caplog.text + running.generation(2).failure_detail).encode(), key)


def pages_reached_from(client, start):
    """Every page and download that links lead to, as {path: content}; other hosts and anchors are left out, and of each view
    that is none of the certificates all but the first three.
    """
    found, waiting, seen = {}, [start], Counter()
    while waiting:
        path = waiting.pop().partition("#")[0]
        if not path.startswith("/") or path.startswith(("/static/", "/login/")) or path in found:
            continue
        view = resolve(path.partition("?")[0]).view_name
        seen[view] += 1
        if seen[view] > 3 and not view.startswith("certificates:"):
            continue
        answer = client.get(path, follow=True)
        found[path] = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if answer["Content-Type"].startswith("text/html"):
            waiting += [unescape(link) for link in re.findall(r'href="([^"]+)"', found[path].decode())]
            waiting += [urljoin(path, link) for link in waiting if link.startswith("?")]
    return found


def test_no_page_and_no_download_shows_a_key(renewed, made_keys, administrator_client):
    pages = pages_reached_from(administrator_client, "/certificates/")

    assert any(path.startswith("/certificates/history/4/") for path in pages)
    assert any(b"BEGIN CERTIFICATE" in content for content in pages.values())
    assert len(pages) > 30
    everything = b"\n".join(pages.values())
    assert b"PRIVATE KEY" not in everything
    for key in chain.from_iterable(made_keys):
        assert not found_in(everything, key)
