"""HTTP/1.1 (RFC 9112) on a terminals' listener, from the octets of a request to those of its response, without a task.

Ten thousand phones that restart make a connection for each file, and with uvicorn's own protocol a file over HTTP costs
1.4 times the CPU. Every response is made of what is in memory, so nothing waits between request and response but for
the body of a report. Nobody may take for ever, send without an end, or have answers piled up (rule patience).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from terminals.web import routing
from terminals.web.acknowledgement import Acknowledgement
from terminals.web.deadlines import Deadline
from terminals.web.routing import Route, TerminalRequest, TerminalResponse, TerminalsApp

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.server import ServerState

HEAD_WITHIN = 20
"""Seconds for the head of a request since the connection was made, or since its first octet."""
HEAD_LIMIT = 64 * 1024
BODY_WITHIN = 20
BODY_LIMIT = 64 * 1024
TAKEN_WITHIN = 20
"""Seconds for a client to take what waits for it, down to a quarter of what may (the low-water mark), or all before we close."""

TOO_LARGE_HEAD = routing.text_response(431, "The head of the request is too large.")
NO_REQUEST = routing.text_response(400, "Invalid HTTP request received.")
TOO_LARGE = routing.text_response(413, "The request is too large.")
TOO_LATE = routing.text_response(408, "The request was not completed in time.")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EMPTY = {204, 304}
"""They have no body, and no length of one (RFC 9110 section 8.6)."""
PHRASES = {status.value: status.phrase for status in HTTPStatus}


class ConnectionPlace(Protocol):
    """The place of a connection at its listener, which wants to know whether the connection has a whole request."""

    def asks(self) -> None: ...
    def is_answered(self) -> None: ...
    def take_turn(self, then: Callable[[], object]) -> None: ...
    def turn_out(self) -> None: ...
    def leave(self) -> None: ...


class TerminalConnection(asyncio.Protocol):
    """One connection, as uvicorn's server ends them; `config.app` is a TerminalsApp.

    `presents`: the generation whose host certificate the connection was made with, None where it has none. `place` is
    given back when the connection is over and it is known whether what it was sent has arrived.
    """

    place: ConnectionPlace
    presents: int | None = None
    # What most connections never change.
    _patience: Deadline | None = None
    _taking: Deadline | None = None
    _unread = b""
    _is_reading = True
    _reads_soon = False
    _is_ahead = False
    _is_full = False
    _awaited: Acknowledgement | None = None
    _is_lost = False
    _head_size = 0
    _keeps = False
    _in_head = False
    _in_body = False
    _ending = False
    _method = ""
    _url = b""
    _wanted: tuple[Route, TerminalRequest] | None = None
    _route = routing.NO_ROUTE
    _began: float | None = None

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop,
    ) -> None:
        app: Any = config.loaded_app
        self._forwarded: Any = None
        if isinstance(app, ProxyHeadersMiddleware):
            app, self._forwarded = app.app, app.trusted_hosts
        self._app: TerminalsApp = app
        self._server = server_state
        self._idle = config.timeout_keep_alive
        self._loop = _loop
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._server.connections.add(self)  # type: ignore[arg-type]
        peer = transport.get_extra_info("peername")
        self._peer: str = peer[0] if peer else ""
        self._parser = httptools.HttpRequestParser(self)
        self._patience = self._app.deadlines.set(HEAD_WITHIN, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._server.connections.discard(self)
        if self._patience is not None:
            self._stop_waiting()
        if self._taking is not None:
            self._stop_taking()
        self._unread = b""
        # It holds this object.
        del self._parser
        if self._awaited is None:
            self.place.leave()

    def shutdown(self) -> None:
        """The process ends: a body that is being sent is still waited for and answered, nothing else."""
        self._ending = True
        if self._wanted is None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Read no further request from a client that does not take the responses (rule taken-in-time)."""
        self._is_full = True
        self.place.is_answered()
        self._await_taking()

    def resume_writing(self) -> None:
        self._is_full = False
        self._stop_taking()
        if self._transport.is_closing():
            # What is left is little, and may be all that keeps the connection.
            self._await_taking()
        else:
            self.place.asks()
        self._loop.call_soon(self._go_on)

    def data_received(self, data: bytes) -> None:
        others_first = bool(self._unread) or self._is_full or (self._awaited is not None and self._is_held())
        self._unread += data
        if others_first:
            self._go_on()
        else:
            self._read()

    def _read(self) -> None:
        """Give the parser the next request, and keep what follows it until that one is answered."""
        data, self._unread = self._unread, b""
        # A head ends with an empty line (RFC 9112 section 2.1), so in what is parsed at once at most one does.
        end = data.find(b"\r\n\r\n") + 4
        if 4 <= end < len(data):
            data, self._unread = data[:end], data[end:]
        self._app.give_way()
        was_in_body = self._in_body
        self._parse(data)
        # Its body may follow a head; whatever else does was sent before this was answered.
        self._is_ahead = bool(self._unread) and (was_in_body or not self._in_body)
        self._go_on()

    def _go_on(self) -> None:
        """Read on if the client takes what it asked for; a request that it sent before it was answered waits for its turn."""
        if self._is_lost or self._transport.is_closing():
            self._unread = b""
            return
        is_held = self._is_held()
        if self._unread and not is_held and not self._reads_soon:
            self._reads_soon = True
            if self._is_ahead:
                self.place.take_turn(self._read_on)
            else:
                self._loop.call_soon(self._read_on)
        wanted = not (self._unread or is_held)
        if wanted != self._is_reading:
            self._is_reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def _read_on(self) -> None:
        self._reads_soon = False
        if self._unread and not self._is_held() and not self._transport.is_closing():
            self._read()
        else:
            self._go_on()

    def _known(self, acknowledgement: Acknowledgement) -> None:
        """It is known whether what this one watches has arrived."""
        if self._awaited is acknowledgement:
            self._awaited = None
            if self._is_lost:
                self.place.leave()
            else:
                self._go_on()

    def _is_held(self) -> bool:
        """Whether the next request has to wait: for each that proves something a socket is kept until that is known."""
        return self._is_full or (self._awaited is not None and self._awaited.arrived() is None)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself was answered; no other protocol is spoken here.
            self._end()
        except httptools.HttpParserError:
            self._refuse(TOO_LARGE_HEAD if self._head_size > HEAD_LIMIT else NO_REQUEST)
        else:
            if self._in_head:
                # Not whole yet: its last field may have no end.
                self._head_size += len(data)
                if self._head_size > HEAD_LIMIT:
                    self._refuse(TOO_LARGE_HEAD)

    def _end(self) -> None:
        """Close once the client has taken what was written, and do not wait for that for ever."""
        self._transport.close()
        patience, self._patience = self._patience, None
        if self._taking is None:
            self._taking = self._app.deadlines.set(TAKEN_WITHIN, self.place.turn_out, instead_of=patience)
        elif patience is not None:
            patience.met()

    def _wait(self, seconds: float, then: Callable[[], None] | None = None) -> None:
        """For what comes next, and end the connection, or do what is to be done `then`, if it does not come."""
        self._patience = self._app.deadlines.set(seconds, then or self._end, instead_of=self._patience)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.met()
            self._patience = None

    def _await_taking(self) -> None:
        if self._taking is None:
            self._taking = self._app.deadlines.set(TAKEN_WITHIN, self.place.turn_out)

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.met()
            self._taking = None

    # -- what the parser finds ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_head, self._head_size = True, 0
        self._route, self._began = routing.NO_ROUTE, None
        if self._method:
            # Not the first of this connection.
            self._method, self._url, self._headers, self._body = "", b"", {}, bytearray()
            self._wait(HEAD_WITHIN)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > HEAD_LIMIT:
            raise ValueError("the head of the request is too large")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        # One that is sent twice is one list (RFC 9110 section 5.3).
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._began = False, True, perf_counter()
        parser = self._parser
        self._method = parser.get_method().decode("latin-1")
        # HTTP/1.0 has no connections that stay open unless asked for, and phones that speak it do not ask.
        self._keeps = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        path = httptools.parse_url(self._url).path.decode("latin-1")
        found = self._app.find(self._method, path)
        if isinstance(found, TerminalResponse):
            self._answer(found)
            return
        route, parameters = found
        self._route = route.name
        request = TerminalRequest(
            self._method, path, self._headers, parameters, b"", self._client(), self._app.scheme, self.presents
        )
        if self._method in {"GET", "HEAD"}:
            self._answer(self._app.answer(route, request))
            return
        self._wanted = route, request
        self._wait(BODY_WITHIN, lambda: self._refuse(TOO_LATE))
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._wanted is not None:
            self._body += body
            if len(self._body) > BODY_LIMIT:
                # What is still on its way is not kept: closed now, the client would be reset before it reads the answer.
                self._wanted = None
                self._answer(TOO_LARGE)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._wanted is not None:
            (route, request), self._wanted = self._wanted, None
            self._began = perf_counter()
            self._answer(self._app.answer(route, request._replace(body=bytes(self._body))))

    def _client(self) -> str:
        """The client's IP address: as a trusted proxy says, else as the connection has it."""
        if self._forwarded is not None and self._peer in self._forwarded:
            return self._forwarded.get_trusted_client_address(self._headers.get("x-forwarded-for", ""))[0] or self._peer
        return self._peer

    # -- what is answered --------------------------------------------------------------------------------------------

    def _refuse(self, response: TerminalResponse) -> None:
        """Answer what is no request, or came too slowly, and close: what follows it could not be understood."""
        self._wanted, self._ending = None, True
        self._answer(response)

    def _answer(self, response: TerminalResponse) -> None:
        if self._transport.is_closing():
            return
        self._app.count(response, self._client, route=self._route, began=self._began)
        keep = self._keeps and not self._ending
        without_body = self._method == "HEAD" or response.status in EMPTY
        octets = _head(response, self._server.default_headers, keep=keep)
        if not without_body:
            octets += response.body
        if response.evidence and self._method != "HEAD":
            self._awaited = self._app.acknowledgements.expect(
                self._transport, len(octets), response.evidence, then=self._known
            )
        self._transport.write(octets)
        if keep:
            self._wait(self._idle)
            if not self._is_full:
                self.place.asks()
        else:
            self._end()


def _head(response: TerminalResponse, common: list[tuple[bytes, bytes]], *, keep: bool) -> bytes:
    """The octets before the body. `common`: header fields that every response has, such as the date."""
    first, rest = _fixed_head(response.status, tuple(response.headers.items()), len(response.body), keep=keep)
    return first + _octets(tuple(common)) + rest


@lru_cache(maxsize=8)
def _octets(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """They are the same for a second."""
    return b"".join(b"%b: %b\r\n" % field for field in fields)


@lru_cache(maxsize=256)
def _fixed_head(status: int, fields: tuple[tuple[str, str], ...], length: int, *, keep: bool) -> tuple[bytes, bytes]:
    """The octets before and after the common fields; they are the same for most phones, so they are kept."""
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    if status not in EMPTY:
        lines.append(f"content-length: {length}\r\n")
    lines.append("\r\n" if keep else "connection: close\r\n\r\n")
    return f"HTTP/1.1 {status} {PHRASES[status]}\r\n".encode(), "".join(lines).encode("latin-1")
