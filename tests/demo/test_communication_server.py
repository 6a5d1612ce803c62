"""The communication server of the demonstration: what it presents after a reload is what its button says."""

import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest

from certificates.communication_server.presented import look_at_tls_addresses
from certificates.pki import formats
from pbxcerts.demo.communication_server import Conduct, SimulatedServer, conduct_of, set_conduct
from pbxcerts.demo.stage import LOOPBACK, Stage
from terminals.call_proof.line import Line
from terminals.call_proof.telephone import Telephone
from tests.support.x509 import a_pair


@pytest.fixture(scope="module")
def pairs():
    return [a_pair(number=1), a_pair(number=2)]


@pytest.fixture
def stage(tmp_path):
    stage = Stage.made_in(tmp_path)
    (stage.store / "current").mkdir(parents=True)
    return stage


@pytest.fixture
def server(stage):
    server = SimulatedServer(stage)
    yield server
    server.close()


def publish(stage, pair):
    current = stage.store / "current"
    (current / "fullchain.pem").write_bytes(formats.fullchain_pem(pair.host, pair.root))
    (current / "host.key").write_bytes(pair.host_key.reveal())


@contextmanager
def answering(server):
    thread = threading.Thread(target=server.answer)
    thread.start()
    yield
    thread.join()


def presented(stage, server):
    """The certificate that a client sees, in DER; None where it is not reached."""
    if not server.is_open:
        (seen,) = look_at_tls_addresses([f"{LOOPBACK}:{stage.server}"]).values()
        assert not seen.reached
        return None
    with answering(server):
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((LOOPBACK, stage.server), timeout=10))


def test_it_is_not_reached_before_there_is_a_pair(stage, server):
    server.load()

    assert presented(stage, server) is None


@pytest.mark.parametrize(
    ("conduct", "after_the_reload", "when_it_is_taken_back"),
    [(Conduct.WORKS, 1, 0), (Conduct.KEEPS, 0, 0), (Conduct.FAILS, None, 0)],
)
def test_what_it_presents_after_a_reload_is_as_its_button_says(
    stage, server, pairs, conduct, after_the_reload, when_it_is_taken_back
):
    def seen():
        found = presented(stage, server)
        return None if found is None else [formats.der(pair.host) for pair in pairs].index(found)

    publish(stage, pairs[0])
    server.load()
    set_conduct(stage, conduct)
    assert seen() == 0

    publish(stage, pairs[1])
    server.load()
    assert seen() == after_the_reload

    publish(stage, pairs[0])
    server.load()
    assert seen() == when_it_is_taken_back


def test_it_answers_what_a_proof_by_call_asks_without_an_account(stage, server, pairs):
    publish(stage, pairs[0])
    server.load()
    context = ssl.create_default_context(cadata=formats.pem(pairs[0].root).decode())
    context.check_hostname = False
    with answering(server):
        plain = socket.create_connection((LOOPBACK, stage.server), timeout=10)
        with context.wrap_socket(plain) as connection:
            line = Line(connection, until=time.monotonic() + 10)
            record = Telephone(line, "here", domain="pbx.example.org").options()

    assert (record.result.value, record.said) == ("ok", "200 OK")


def test_who_mends_it_has_it_load_the_files_that_are_there(stage, monkeypatch):
    signalled = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
    stage.server_pid.write_text("4711")

    set_conduct(stage, Conduct.KEEPS)
    assert signalled == []
    set_conduct(stage, Conduct.WORKS)
    assert signalled == [4711]


def test_a_conduct_that_nobody_knows_is_none(stage):
    stage.server_conduct.write_text("sulks")

    assert conduct_of(stage) is Conduct.WORKS
