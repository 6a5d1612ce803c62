"""Clients that cost what they can, and what others notice of them; over real sockets in this process.

Every wait here is bounded: by the clients' own time limit of ten seconds.
"""

import gc
import time
from contextlib import ExitStack
from threading import Thread

import pytest

from pbxcerts.processes.listeners import admission
from pbxcerts.processes.listeners.arrival import RECORD
from pbxcerts.processes.listeners.client_buffers import RECEIVED
from pbxcerts.processes.listeners.panel_connection import PatientProtocol
from tests.support.panel_listener import (
    LARGE_PAGE,
    LAST,
    PAGE,
    Pair,
    PanelListener,
    everything,
    trusting_nobody,
    wait_until,
)

HOSTILE, PERSON = "127.0.0.66", "127.0.0.1"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def test_requests_that_do_not_wait_for_their_answers_have_turns_that_all_of_an_address_share():
    with PanelListener(turn=0.2).serving() as panel, ExitStack() as clients:
        for _ in range(10):
            clients.enter_context(panel.connect(address=HOSTILE)).sendall(PAGE * 200)
        wait_until(lambda: panel.asked >= 10)
        began, asked = time.monotonic(), panel.asked
        time.sleep(0.5)
        # Those of the ten that went at once, and one for each turn.
        assert panel.asked - asked <= (time.monotonic() - began) / 0.2 + 1

        with panel.connect(address=HOSTILE) as person:
            began = time.monotonic()
            for _ in range(20):
                person.sendall(PAGE)
                came = b""
                while not came.endswith(b"0\r\n\r\n"):
                    came += person.recv(10_000)
            assert time.monotonic() - began < 20 * 0.2


def test_a_body_with_empty_lines_takes_no_turn_and_is_not_cut_at_them(monkeypatch):
    parts, parse = [], PatientProtocol._parse
    monkeypatch.setattr(PatientProtocol, "_parse", lambda self, part: parts.append(parse(self, part)))
    body = b"a\r\n\r\n" * 2_000
    with PanelListener(turn=60).serving() as panel:
        said = POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % len(body) + body

        with panel.connect() as client:
            client.sendall(said)
            assert b"%d octets came" % len(body) in everything(client)
    assert len(parts) < 20


def test_requests_and_bodies_are_answered_in_their_order_however_they_are_cut():
    said = POST % 9 + b"a\r\n\r\nb\r\nc" + PAGE + POST.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked")
    said += b"5\r\n\r\n\r\na\r\n2\r\nab\r\n0\r\n\r\n" + LAST
    with PanelListener().serving() as panel:
        for size in (1, 7, len(said)):
            with panel.connect() as client:
                for start in range(0, len(said), size):
                    client.sendall(said[start : start + size])
                came = everything(client)
            assert [came.count(b"%d octets came" % octets) for octets in (9, 7, 0)] == [1, 1, 2]


def test_of_what_was_sent_before_the_answer_little_is_read():
    with PanelListener(turn=0.02).serving() as panel, panel.connect() as client:
        sending = Thread(target=lambda: client.sendall(PAGE * 50_000), daemon=True)
        sending.start()
        wait_until(lambda: panel.asked >= 30)
        # By their type: a lazy object of somebody else would look into its database to say of what class it is.
        unread = [len(one._unread) for one in gc.get_objects() if issubclass(type(one), PatientProtocol)]

        assert 0 < max(unread) < 300_000
        client.close()
        sending.join(10)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_responses_that_nobody_takes_are_few_of_an_address_and_others_get_theirs(pair, monkeypatch, tls):
    monkeypatch.setattr(admission, "GRACE", 60)
    with PanelListener(inside=2, pair=pair if tls else None).serving() as panel, ExitStack() as clients:
        for _ in range(6):
            client = panel.connect(address=HOSTILE, keeps=4096)
            clients.enter_context(trusting_nobody().wrap_socket(client) if tls else client).sendall(LARGE_PAGE)
        wait_until(lambda: panel.asked == 2)
        time.sleep(0.3)
        assert panel.asked == 2

        client = panel.connect(address=PERSON)
        person = clients.enter_context(trusting_nobody().wrap_socket(client) if tls else client)
        person.sendall(LAST)
        assert b"200 OK" in everything(person)


def test_who_takes_nothing_makes_room_for_another_request_of_his_address(monkeypatch):
    monkeypatch.setattr(admission, "GRACE", 0.2)
    with PanelListener(inside=1).serving() as panel, panel.connect(address=HOSTILE, keeps=4096) as unread:
        unread.sendall(LARGE_PAGE)
        wait_until(lambda: panel.budgets["responses"].octets)

        assert panel.answers(address=HOSTILE)


def test_no_thread_works_for_who_has_gone():
    with PanelListener(inside=1).serving() as panel:
        panel.may_answer.clear()
        with ExitStack() as clients:
            for _ in range(5):
                clients.enter_context(panel.connect(address=HOSTILE)).sendall(LAST)
            wait_until(lambda: panel.asked == 1)
        wait_until(lambda: len(panel.places) == 0)
        panel.may_answer.set()

        assert panel.answers(address=HOSTILE)
        assert panel.asked == 2


def test_what_several_send_at_once_over_tls_is_not_mixed_though_they_share_a_buffer(pair):
    with PanelListener(pair=pair).serving() as panel, ExitStack() as stack:
        clients = [stack.enter_context(trusting_nobody().wrap_socket(panel.connect())) for _ in range(3)]
        sizes = [100_000 + number for number in range(3)]
        bodies = [bytes([97 + number]) * size for number, size in enumerate(sizes)]
        for start in range(0, max(sizes), 5_000):
            for client, body in zip(clients, bodies, strict=True):
                head = POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % len(body) if not start else b""
                client.sendall(head + body[start : start + 5_000])

        for client, body in zip(clients, bodies, strict=True):
            assert b"%d octets came: %b" % (len(body), body[:1]) in everything(client)


def test_over_tls_no_more_than_a_record_is_read_at_once_into_a_buffer_of_ours(pair, monkeypatch):
    """uvloop's own for each read has 256 KiB."""
    sizes, receive = [], PatientProtocol.data_received

    def received(protocol, data):
        sizes.append(len(data))
        receive(protocol, data)

    monkeypatch.setattr(PatientProtocol, "data_received", received)
    with PanelListener(pair=pair).serving() as panel, trusting_nobody().wrap_socket(panel.connect()) as client:
        client.sendall(POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % 500_000 + b"x" * 500_000)
        assert b"500000 octets came" in everything(client)

    assert max(sizes) <= RECORD


def test_nothing_is_kept_of_a_tls_connection_that_has_ended(pair):
    """Without waiting for Python to look for circles: each keeps buffers of many pages."""
    with PanelListener(pair=pair).serving() as panel:
        gc.disable()
        try:
            for _ in range(5):
                with trusting_nobody().wrap_socket(panel.connect()) as client:
                    client.sendall(LAST)
                    everything(client)
            wait_until(lambda: len(panel.places) == 0)
            wait_until(lambda: not any(issubclass(type(one), PatientProtocol) for one in gc.get_objects()))
        finally:
            gc.enable()


def test_what_the_kernel_keeps_is_bounded_before_a_connection_is_accepted():
    """Bounded only afterwards, segments are lost for which it had promised room: an upload of 1 MB took five seconds."""
    with PanelListener().serving() as panel:
        # Then the door is open.
        assert panel.answers()
        # Linux says twice of what it was told (socket(7)).
        assert panel.kept_by_the_kernel <= 2 * RECEIVED
        assert panel.answers(
            said=POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % 1_000_000 + b"x" * 1_000_000
        )
