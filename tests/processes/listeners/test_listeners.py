"""What a listener keeps for those who connect, over real sockets in this process."""

import time
from contextlib import ExitStack

import pytest

from pbxcerts.processes.listeners import panel_connection, places
from tests.support.panel_listener import (
    LARGE,
    LARGE_PAGE,
    LAST,
    PAGE,
    Pair,
    PanelListener,
    everything,
    is_closed,
    trusting_nobody,
    wait_until,
)


@pytest.fixture
def panel():
    with PanelListener().serving() as panel:
        yield panel


@pytest.fixture
def no_grace(monkeypatch):
    monkeypatch.setattr(places, "GRACE", 0)


def test_a_page_that_waits_for_its_reader_has_no_precedence(panel):
    panel.may_answer.clear()
    with panel.connect(keeps=4096) as one, panel.connect(keeps=4096) as another:
        for client in (one, another):
            client.sendall(LARGE_PAGE)
        wait_until(lambda: panel.asked == 2)
        assert panel.precedence.is_taken

        panel.may_answer.set()
        wait_until(lambda: panel.budgets["responses"].octets == 2 * LARGE)
        assert not panel.precedence.is_taken
    assert panel.answers()


def test_of_who_does_not_wait_for_an_answer_one_request_is_kept(panel):
    panel.may_answer.clear()
    with panel.connect() as client:
        client.sendall(PAGE * 99 + LAST)
        time.sleep(0.5)
        assert panel.asked == 1
        panel.may_answer.set()

        assert everything(client).count(b"200 OK") == panel.asked == 100


def test_who_does_not_take_his_page_is_cut_off(panel, monkeypatch):
    monkeypatch.setattr(panel_connection, "TAKEN_WITHIN", 0.5)
    with panel.connect(keeps=4096) as client:
        client.sendall(LARGE_PAGE)
        wait_until(lambda: panel.asked)
        wait_until(lambda: len(panel.places) == 0)

        wait_until(lambda: panel.budgets["responses"].octets == 0)
        assert len(everything(client)) < LARGE


def test_unfinished_requests_have_a_common_budget_and_those_of_other_addresses_go_on():
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with PanelListener(bodies=3_000_000).serving() as panel, ExitStack() as clients:
        slow = clients.enter_context(panel.connect(address="127.0.0.3"))
        slow.sendall(post % 1_000_000 + b"x" * 400_000)
        unfinished = [clients.enter_context(panel.connect()) for _ in range(10)]
        for client in unfinished:
            client.sendall(post % 1_000_000 + b"x" * 999_000)
            time.sleep(0.05)

        assert panel.budgets["bodies"].octets <= 3_000_000
        assert everything(unfinished[-1]).startswith(b"HTTP/1.1 503 ")
        assert not is_closed(unfinished[0])
        slow.sendall(b"x" * 600_000)
        assert b"200 OK" in everything(slow)
        assert panel.answers(address="127.0.0.4", said=post % 1_000_000 + b"x" * 1_000_000)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_pages_that_are_not_taken_have_a_common_budget_and_the_oldest_gives_up(tmp_path, tls):
    pair = Pair(tmp_path) if tls else None
    with PanelListener(responses=3 * LARGE, pair=pair).serving() as panel, ExitStack() as clients:
        for number in range(1, 7):
            client = panel.connect(keeps=4096)
            clients.enter_context(trusting_nobody().wrap_socket(client) if tls else client).sendall(LARGE_PAGE)
            wait_until(lambda number=number: panel.asked == number)
            time.sleep(0.1)

        assert 0 < panel.budgets["responses"].octets <= 3 * LARGE
        assert len(panel.places) == 3


def test_a_large_page_comes_whole(panel):
    with panel.connect() as client:
        client.sendall(LARGE_PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert everything(client).partition(b"\r\n\r\n")[2].count(b"x") == LARGE


def test_an_address_has_so_many_connections_and_another_one_has_its_own():
    with PanelListener(of_one=3).serving() as panel, ExitStack() as clients:
        first = [clients.enter_context(panel.connect(address="127.0.0.2")) for _ in range(3)]
        wait_until(lambda: len(panel.places) == 3)

        assert is_closed(clients.enter_context(panel.connect(address="127.0.0.2")))
        assert not any(is_closed(client) for client in first)
        assert panel.answers(address="127.0.0.3")


def test_one_without_a_request_makes_room_for_another_of_its_address(no_grace):
    with PanelListener(of_one=3).serving() as panel, ExitStack() as clients:
        silent = []
        for _ in range(3):
            silent.append(clients.enter_context(panel.connect(address="127.0.0.2")))
            wait_until(lambda: len(panel.places) == len(silent))

        assert panel.answers(address="127.0.0.2")
        assert [is_closed(client) for client in silent] == [True, False, False]


def test_an_exempt_address_has_no_limit_of_its_own():
    with PanelListener(of_one=3, exempt=["127.0.0.0/30"]).serving() as panel, ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(panel.connect(address="127.0.0.2"))

        assert panel.answers(address="127.0.0.2")
        assert len(panel.places) == 20


def test_while_all_places_are_taken_others_wait_and_nobody_is_refused():
    with PanelListener(in_all=5).serving() as panel, ExitStack() as clients:
        panel.may_answer.clear()
        busy = [clients.enter_context(panel.connect()) for _ in range(5)]
        for client in busy:
            client.sendall(LAST)
        wait_until(lambda: panel.asked == 5)
        waiting = clients.enter_context(panel.connect())
        waiting.sendall(LAST)
        assert not is_closed(waiting)
        waiting.settimeout(10)

        panel.may_answer.set()
        assert b"200 OK" in everything(waiting)
        assert all(b"200 OK" in everything(client) for client in busy)


def test_while_all_places_are_taken_those_without_a_request_go_first(no_grace):
    with PanelListener(in_all=5).serving() as panel, ExitStack() as clients:
        panel.may_answer.clear()
        asking = clients.enter_context(panel.connect())
        asking.sendall(LAST)
        wait_until(lambda: panel.asked == 1)
        said = [b"", b"GET /page HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", b""]
        for part in said:
            clients.enter_context(panel.connect()).sendall(part)
        panel.may_answer.set()

        assert panel.answers(address="127.0.0.3")
        assert b"200 OK" in everything(asking)


def test_a_handshake_that_never_ends_counts(tmp_path):
    with PanelListener(of_one=3, pair=Pair(tmp_path)).serving() as panel, ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(panel.connect(address="127.0.0.2"))
        wait_until(lambda: len(panel.places) == 3)

        assert is_closed(clients.enter_context(panel.connect(address="127.0.0.2")))


def test_a_handshake_that_never_ends_makes_room(tmp_path, no_grace):
    with PanelListener(in_all=3, pair=Pair(tmp_path)).serving() as panel, ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(panel.connect())
        wait_until(lambda: len(panel.places) == 3)

        with trusting_nobody().wrap_socket(panel.connect()) as client:
            client.sendall(LAST)
            assert b"200 OK" in everything(client)


@pytest.mark.parametrize("said", [b"no TLS at all\r\n\r\n", b""], ids=["no TLS", "gone"])
def test_a_connection_that_is_never_secured_gives_its_place_back(tmp_path, said):
    with PanelListener(pair=Pair(tmp_path)).serving() as panel:
        with panel.connect() as client:
            wait_until(lambda: len(panel.places) == 1)
            client.sendall(said)

        wait_until(lambda: len(panel.places) == 0)
        with trusting_nobody().wrap_socket(panel.connect()) as another:
            another.sendall(LAST)
            assert b"200 OK" in everything(another)
