"""HTTP on a terminals' listener, octet by octet, over real sockets in the same process."""

import asyncio
import re
import socket
from contextlib import contextmanager
from threading import Thread

import pytest
import uvicorn
from uvicorn.server import ServerState

from terminals.web import connection
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.connection import TerminalConnection
from terminals.web.listener import Response, Route, TerminalsApp
from terminals.web.refusals import Refusals


class Listener:
    """Answers `GET /file`, what a `POST /report` says, and `GET /client`."""

    def __init__(self, *, proxies=()):
        self.refusals = Refusals()
        self.proved = []
        self.times_given_way = 0
        self.state = ServerState()
        self.acknowledgements = Acknowledgements(self.proved.append)
        self._proxies = list(proxies)

    def _give_way(self):
        self.times_given_way += 1

    def _config(self):
        routes = [
            Route("GET", "/file", lambda request: Response(200, b"content", evidence=(request.method,))),
            Route("GET", "/client", lambda request: Response(200, request.client.encode())),
            Route("GET", "/nothing", lambda _request: Response(304)),
            Route("GET", "/error", lambda _request: 1 / 0),
            Route("POST", "/report", lambda request: Response(200, request.body)),
        ]
        app = TerminalsApp(
            "https",
            "https",
            routes,
            acknowledgements=self.acknowledgements,
            refusals=self.refusals,
            give_way=self._give_way,
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

        def protocol():
            return TerminalConnection(config=config, server_state=self.state, app_state={}, _loop=loop)

        server = await loop.create_server(protocol, "127.0.0.1", 0)
        started(loop, server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        for one in list(self.state.connections):
            one.shutdown()
        await self.acknowledgements.end(1)
        await server.wait_closed()

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


def test_a_connection_of_http_1_0_is_closed(listener):
    assert b"connection: close" in say(listener, b"GET /file HTTP/1.0\r\n\r\n")


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


def client_of(listener, *fields):
    return say(listener, request("GET /client HTTP/1.1", *fields, LAST)).rpartition(b"\r\n")[2]


def test_whom_a_request_comes_from_is_told_by_proxies_of_ours_alone(listener):
    forwarded = ["X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: 192.0.2.7"]
    assert client_of(listener, *forwarded) == b"127.0.0.1"

    with Listener(proxies=["127.0.0.1"]).serving() as behind_a_proxy:
        assert client_of(behind_a_proxy, *forwarded) == b"192.0.2.7"
        assert client_of(behind_a_proxy) == b"127.0.0.1"
