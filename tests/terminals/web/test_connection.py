"""HTTP on a terminals' listener, octet by octet, over real sockets in the same process."""

import asyncio
import re
import socket
import time
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
import uvicorn
from uvicorn.server import ServerState

from pbxcerts.processes import startup
from pbxcerts.processes.listeners.arrival import Door
from pbxcerts.processes.listeners.places import Limits, Places
from pbxcerts.processes.listeners.turns import Turns
from pbxcerts.system.network.endpoint import Endpoint
from terminals.web import connection
from terminals.web.acknowledgement import Acknowledgement, Acknowledgements
from terminals.web.connection import TerminalConnection
from terminals.web.refusals import RefusalCounter
from terminals.web.routing import Route, TerminalResponse, TerminalsApp

SIZE = 20_000


class Listener:
    """Answers `GET /file`, what a `POST /report` says, and `GET /client`."""

    def __init__(self, *, proxies=(), counts=None, turn=0.001):
        self._counts = counts
        self.turns = Turns(turn)
        self.refusals = RefusalCounter()
        self.proved = []
        self.answered = 0
        self.times_given_way = 0
        self.state = ServerState()
        self.places = Places(Limits(in_all=100, of_one=100), exempt=(), turns=self.turns)
        self.acknowledgements = Acknowledgements(self.proved.append)
        self._proxies = list(proxies)

    def _answer(self, body, **more):
        self.answered += 1
        return TerminalResponse(200, body, **more)

    def _give_way(self):
        self.times_given_way += 1

    def _config(self):
        routes = [
            Route("GET", "/file", lambda request: self._answer(b"content", evidence=(request.method,)), "file"),
            Route("GET", "/large", lambda _request: self._answer(b"A" * SIZE)),
            Route("GET", "/larger", lambda _request: self._answer(b"A" * 10_000_000)),
            Route("GET", "/client", lambda request: TerminalResponse(200, request.client.encode())),
            Route("GET", "/nothing", lambda _request: self._answer(b"")._replace(status=304)),
            Route("GET", "/error", lambda _request: 1 / 0),
            Route("POST", "/report", lambda request: TerminalResponse(200, request.body), "report"),
        ]
        app = TerminalsApp(
            "https",
            "https",
            routes,
            acknowledgements=self.acknowledgements,
            refusals=self.refusals,
            give_way=self._give_way,
            requests=self._counts,
        )
        config = uvicorn.Config(
            app,
            interface="asgi3",
            log_config=None,
            proxy_headers=bool(self._proxies),
            forwarded_allow_ips=self._proxies,
            timeout_keep_alive=1,
        )
        config.load()
        return config

    async def _serve(self, started, stop):
        loop = asyncio.get_running_loop()
        config = self._config()

        def made():
            return TerminalConnection(config=config, server_state=self.state, app_state={}, _loop=loop)

        with startup.listen(Endpoint("127.0.0.1", 0), open_to_all=False, at_once=True) as listening:
            door = Door(listening, self.places, made, context=lambda: None, a_round=8)
            door.open()
            started(loop, listening.getsockname()[1])
            await stop.wait()
            door.close()
        for one in list(self.state.connections):
            one.shutdown()
        async with asyncio.timeout(5):
            while self.state.connections:
                await asyncio.sleep(0.01)
        await self.acknowledgements.end(1)

    @contextmanager
    def serving(self):
        stop = asyncio.Event()
        ports = []

        def run():
            asyncio.run(self._serve(lambda loop, port: ports.append((loop, port)), stop))

        thread = Thread(target=run)
        thread.start()
        while not ports:
            assert thread.is_alive()
        (loop, self.port) = ports[0]
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()


@pytest.fixture
def listener():
    with Listener().serving() as listener:
        yield listener


def say(listener, *parts):
    """What comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


def request(line, *fields, body=b""):
    return "".join(f"{one}\r\n" for one in [line, "Host: localhost", *fields, ""]).encode() + body


LAST = "Connection: close"


def test_a_file_is_answered_and_the_connection_closed_where_that_is_asked(listener):
    head, _gap, body = say(listener, request("GET /file?x=1 HTTP/1.1", LAST)).partition(b"\r\n\r\n")

    assert head.split(b"\r\n") == [b"HTTP/1.1 200 OK", b"content-length: 7", b"connection: close"]
    assert body == b"content"


def test_requests_of_one_connection_are_answered_in_their_order_however_they_are_cut(listener):
    said = request("GET /file HTTP/1.1") + request("POST /report HTTP/1.1", "Content-Length: 3", body=b"abc")
    said += request("GET /nowhere HTTP/1.1") + request("HEAD /file HTTP/1.1", LAST)

    whole = say(listener, said)
    assert re.findall(rb"HTTP/1.1 (\d+)", whole) == [b"200", b"200", b"404", b"200"]
    assert whole.count(b"content\r\n") + whole.count(b"contentHTTP") == 1
    assert b"abcHTTP" in whole
    assert say(listener, *(said[n : n + 1] for n in range(len(said)))) == whole


def test_only_a_whole_answer_to_a_get_proves_something(listener):
    say(listener, request("HEAD /file HTTP/1.1", LAST))
    say(listener, request("GET /nothing HTTP/1.1", LAST))
    assert listener.proved == []

    say(listener, request("GET /file HTTP/1.1", LAST))
    with socket.create_connection(("127.0.0.1", listener.port)) as client:
        client.sendall(request("GET /file HTTP/1.1"))
        assert client.recv(1000).endswith(b"content")
        while len(listener.proved) < 2:
            pass
    assert listener.proved == ["GET", "GET"]


@pytest.mark.parametrize("field", [b"", b"Connection: keep-alive\r\n"])
def test_a_connection_of_http_1_0_is_closed(listener, field):
    assert b"connection: close" in say(listener, b"GET /file HTTP/1.0\r\n" + field + b"\r\n")


def test_an_idle_connection_is_closed(listener):
    assert say(listener, request("GET /file HTTP/1.1")).endswith(b"\r\n\r\ncontent")


def test_what_has_no_body_names_no_length(listener):
    answer = say(listener, request("GET /nothing HTTP/1.1", LAST))

    assert answer == b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n"


def test_a_client_that_asks_first_is_told_to_go_on(listener):
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
        client.sendall(request("POST /report HTTP/1.1", "Content-Length: 2", "Expect: 100-continue", LAST))
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")
        assert client.recv(1000).endswith(b"\r\n\r\nok")


def test_a_body_in_chunks_is_read(listener):
    said = request("POST /report HTTP/1.1", "Transfer-Encoding: chunked", LAST, body=b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

    assert say(listener, said).endswith(b"\r\n\r\nabc")


def test_a_body_that_is_too_large_is_refused_and_the_answer_can_be_read(listener):
    said = request("POST /report HTTP/1.1", "Content-Length: 1000000", body=b"x" * 1_000_000)

    assert say(listener, said).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"no request at all\r\n\r\n", b"400"),
        (b"GET /file HTTP/9.9\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\xa5\r\n\r\n", b"400"),
        (b"CONNECT localhost:80 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /file HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"DELETE /file HTTP/1.1\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /error HTTP/1.1\r\nConnection: close\r\n\r\n", b"500"),
        (b"GET /file HTTP/1.1\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n", b"200"),
    ],
)
def test_what_cannot_be_answered_gets_a_status_and_is_counted(listener, said, status):
    answer = say(listener, said)

    assert answer[9:12] == status
    assert b"Traceback" not in answer
    assert listener.refusals.total == (status != b"200")


@pytest.mark.parametrize("cut", [1_000, 200_000])
def test_a_head_without_an_end_is_refused(listener, cut):
    endless = b"GET /file HTTP/1.1\r\nX-Long: " + b"a" * 100_000
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
        try:
            for start in range(0, len(endless), cut):
                client.sendall(endless[start : start + cut])
            client.recv(1000)
        except ConnectionError:
            pass
    assert listener.refusals.counts == {("https", "431"): 1}


def test_a_large_body_beside_its_head_is_no_large_head(listener):
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
        client.sendall(request("POST /report HTTP/1.1", "Content-Length: 60000", body=b"x" * 60_000) * 3)
        client.shutdown(socket.SHUT_WR)
    assert listener.refusals.total == 0


def test_a_head_that_does_not_come_in_time_is_not_waited_for(listener, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.1)

    assert say(listener, b"GET /file HTTP/1.1\r\n") == b""


def test_a_body_that_does_not_come_in_time_is_refused(listener, monkeypatch):
    monkeypatch.setattr(connection, "BODY_WITHIN", 0.1)

    assert say(listener, request("POST /report HTTP/1.1", "Content-Length: 3", body=b"a"))[9:12] == b"408"


def test_pages_may_go_first_before_each_request(listener):
    say(listener, request("GET /file HTTP/1.1", LAST))

    assert listener.times_given_way == 1


class Greedy:
    """Sends a great many requests at once and reads none of the answers until it is told to."""

    def __init__(self, listener, path, count):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", listener.port))
        self._said = request(f"GET {path} HTTP/1.1") * count
        self._sending = Thread(target=self._send, daemon=True)
        self._sending.start()

    def _send(self):
        with suppress(OSError):
            self._socket.sendall(self._said)

    def take(self):
        """All that comes until the connection is closed."""
        with self._socket as client:
            client.settimeout(10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
            answers = bytearray()
            while data := client.recv(65536):
                answers += data
        self._sending.join()
        return answers

    def end(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._sending.join()

    def is_cut_off(self):
        try:
            self.take()
        except ConnectionResetError:
            return True
        return False


def settled(value):
    """What it is once it does not change any more."""
    before = None
    while before != (before := value()):
        time.sleep(0.3)
    return before


def test_of_who_does_not_take_the_answers_no_further_request_is_read(listener):
    greedy = Greedy(listener, "/large", 500)

    assert 0 < settled(lambda: listener.answered) < 100
    whole = greedy.take()
    assert listener.answered == 500
    assert whole.count(b"HTTP/1.1 200 ") == 500


def test_who_does_not_take_the_answers_is_cut_off(listener, monkeypatch):
    monkeypatch.setattr(connection, "TAKEN_WITHIN", 0.5)
    greedy = Greedy(listener, "/large", 500)
    time.sleep(1)

    assert listener.state.connections == set()
    assert greedy.is_cut_off()


@pytest.mark.parametrize("fields", [["Connection: close"], []], ids=["closing", "idle"])
def test_what_is_left_when_the_connection_ends_is_not_waited_for_for_ever(listener, monkeypatch, fields):
    monkeypatch.setattr(connection, "TAKEN_WITHIN", 0.5)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", listener.port))
        client.sendall(request("GET /larger HTTP/1.1", *fields))
        # An idle one is closed after a second.
        time.sleep(2.5)

        assert listener.state.connections == set()


def test_the_next_request_waits_until_it_is_known_whether_the_file_has_arrived(listener, monkeypatch):
    """Else a socket would be kept for each of them."""
    monkeypatch.setattr(Acknowledgement, "arrived", lambda _acknowledgement: None)
    greedy = Greedy(listener, "/file", 20)

    assert settled(lambda: listener.answered) == 1
    monkeypatch.undo()
    assert len(re.findall(b"content", greedy.take())) >= 20
    assert listener.answered == 20


def test_others_have_their_turn_between_the_requests_of_one(listener):
    greedy = Greedy(listener, "/nothing", 500)
    while listener.answered < 10:
        pass

    assert say(listener, request("GET /nothing HTTP/1.1", LAST)).startswith(b"HTTP/1.1 304 ")
    assert listener.answered < 500
    greedy.take()


def test_who_sends_before_he_is_answered_waits_for_his_turn_and_his_number_of_connections_does_not_help():
    with Listener(turn=0.02).serving() as listener:
        began = time.monotonic()
        many = [Greedy(listener, "/nothing", 100) for _ in range(10)]
        while listener.answered < 20:
            assert time.monotonic() < began + 10

        # Of each the first one is answered at once.
        assert time.monotonic() - began >= 9 * 0.02
        for one in many:
            one.end()


@pytest.mark.parametrize(
    "said",
    [
        request("GET /nothing HTTP/1.1"),
        request("POST /report HTTP/1.1", "Content-Length: 2", body=b"ok"),
        request("POST /report HTTP/1.1", "Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n"),
    ],
    ids=["GET", "body", "chunks"],
)
def test_who_sends_after_his_answer_never_waits_also_beside_others_of_his_address_who_do(said):
    with Listener(turn=60).serving() as listener:
        greedy = [Greedy(listener, "/nothing", 100) for _ in range(3)]
        while listener.answered < 4:
            pass
        with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
            for _ in range(10):
                client.sendall(said)
                assert client.recv(1000).startswith(b"HTTP/1.1 ")
        for one in greedy:
            one.end()


def test_what_was_sent_before_the_answer_is_not_read_and_not_kept_for_who_has_gone():
    with Listener(turn=60).serving() as listener:
        greedy = Greedy(listener, "/nothing", 20_000)
        while listener.answered < 2:
            pass
        assert settled(lambda: max(len(one._unread) for one in listener.state.connections)) < 100_000

        greedy.end()
        began = time.monotonic()
        while len(listener.places):
            assert time.monotonic() < began + 10
        assert not any(listener.turns._addresses.values())


def test_a_place_is_kept_until_it_is_known_whether_the_file_has_arrived(listener):
    assert say(listener, request("GET /file HTTP/1.1", LAST)).endswith(b"content")
    while listener.proved != ["GET"]:
        pass

    assert settled(lambda: len(listener.places)) == 0


def client_of(listener, *fields):
    return say(listener, request("GET /client HTTP/1.1", *fields, LAST)).rpartition(b"\r\n")[2]


def test_whom_a_request_comes_from_is_told_by_proxies_of_ours_alone(listener):
    forwarded = ["X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: 192.0.2.7"]
    assert client_of(listener, *forwarded) == b"127.0.0.1"

    with Listener(proxies=["127.0.0.1"]).serving() as behind_a_proxy:
        assert client_of(behind_a_proxy, *forwarded) == b"192.0.2.7"
        assert client_of(behind_a_proxy) == b"127.0.0.1"


def test_each_response_is_counted_by_the_name_of_its_route_where_somebody_wants_to_know():
    counted = []
    with Listener(counts=lambda *one: counted.append(one)).serving() as listener:
        several = request("GET /file HTTP/1.1") + request("POST /report HTTP/1.1", "Content-Length: 2", body=b"hi")
        say(listener, several + request("GET /4ihywCnrhaENwhDMM8rDMGQOetLAf1BAdOPA HTTP/1.1", LAST))
        say(listener, b"no request\r\n\r\n")

    assert [one[:3] for one in counted] == [
        ("terminals_https", "file", 200),
        ("terminals_https", "report", 200),
        ("terminals_https", "none", 404),
        ("terminals_https", "none", 400),
    ]
    assert all(0 <= seconds < 5 for *_what, seconds in counted)
