"""HTTP/1.1 (RFC 9112) on a terminals' listener, from the octets of a request to those of its answer, without a task for either.

Ten thousand phones that restart make a connection for each file. Every answer is made of what is in memory, so nothing waits
between request and answer but for the body of a report. Nobody may take for ever, or send without an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from terminals.web import listener
from terminals.web.listener import Request, Response, Route, TerminalsApp

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.server import ServerState

HEAD_WITHIN = 20
"""Seconds for the head of a request since the connection was made, or since its first octet."""
HEAD_LIMIT = 64 * 1024
BODY_WITHIN = 20
BODY_LIMIT = 64 * 1024

TOO_LARGE_HEAD = listener.text(431, "The head of the request is too large.")
NO_REQUEST = listener.text(400, "Invalid HTTP request received.")
TOO_LARGE = listener.text(413, "The request is too large.")
TOO_LATE = listener.text(408, "The request was not completed in time.")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EMPTY = {204, 304}
"""They have no body, and no length of one (RFC 9110 section 8.6)."""
PHRASES = {status.value: status.phrase for status in HTTPStatus}


class TerminalConnection(asyncio.Protocol):
    """One connection, as uvicorn's server makes and ends them; `config.app` is a TerminalsApp.

    `presents`: the generation whose host certificate the connection was made with, None where it has none.
    """

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
        self.presents: int | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._in_head = False
        self._ending = False
        self._method = ""
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._wanted: tuple[Route, Request] | None = None

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._server.connections.add(self)  # type: ignore[arg-type]
        peer = transport.get_extra_info("peername")
        self._peer: str = peer[0] if peer else ""
        self._parser = httptools.HttpRequestParser(self)
        self._wait(HEAD_WITHIN, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._stop_waiting()
        # It holds this object.
        del self._parser

    def shutdown(self) -> None:
        """The process ends: a body that is being sent is still waited for and answered, nothing else."""
        self._ending = True
        if self._wanted is None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Who does not read the answers is not asked for the next request."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._app.give_way()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself was answered; no other protocol is spoken here.
            self._transport.close()
        except httptools.HttpParserError:
            self._refuse(TOO_LARGE_HEAD if self._head_size > HEAD_LIMIT else NO_REQUEST)
        else:
            if self._in_head:
                # Not whole yet: its last field may have no end.
                self._head_size += len(data)
                if self._head_size > HEAD_LIMIT:
                    self._refuse(TOO_LARGE_HEAD)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._patience = self._loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    # -- what the parser finds ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_head, self._head_size = True, 0
        if self._method:
            # Not the first of this connection.
            self._method, self._url, self._headers, self._body = "", b"", {}, bytearray()
            self._wait(HEAD_WITHIN, self._transport.close)

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
        self._in_head = False
        self._method = self._parser.get_method().decode("latin-1")
        path = httptools.parse_url(self._url).path.decode("latin-1")
        found = self._app.find(self._method, path)
        if isinstance(found, Response):
            self._answer(found)
            return
        route, parameters = found
        request = Request(
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
        if self._wanted is not None:
            (route, request), self._wanted = self._wanted, None
            self._answer(self._app.answer(route, request._replace(body=bytes(self._body))))

    def _client(self) -> str:
        """Whose request it is: what a proxy of ours says, else whose connection it is."""
        if self._forwarded is not None and self._peer in self._forwarded:
            return self._forwarded.get_trusted_client_address(self._headers.get("x-forwarded-for", ""))[0] or self._peer
        return self._peer

    # -- what is answered --------------------------------------------------------------------------------------------

    def _refuse(self, response: Response) -> None:
        """What cannot be a request, or not be waited for: nothing that follows it could be understood."""
        self._wanted, self._ending = None, True
        self._answer(response)

    def _answer(self, response: Response) -> None:
        if self._transport.is_closing():
            return
        self._app.count(response, self._client())
        # HTTP/1.0 has no connections that stay open unless asked for, and phones that speak it do not ask.
        keep = not self._ending and self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        without_body = self._method == "HEAD" or response.status in EMPTY
        octets = _head(response, self._server.default_headers, keep=keep)
        if not without_body:
            octets += response.body
        if response.evidence and self._method != "HEAD":
            self._app.acknowledgements.expect(self._transport, len(octets), response.evidence)
        self._transport.write(octets)
        if keep:
            self._wait(self._idle, self._transport.close)
        else:
            self._stop_waiting()
            self._transport.close()


def _head(response: Response, common: list[tuple[bytes, bytes]], *, keep: bool) -> bytes:
    """`common`: what every response has, the date."""
    first, rest = _fixed_head(response.status, tuple(response.headers.items()), len(response.body), keep=keep)
    return b"".join([first, *(b"%b: %b\r\n" % field for field in common), rest])


@lru_cache(maxsize=256)
def _fixed_head(status: int, fields: tuple[tuple[str, str], ...], length: int, *, keep: bool) -> tuple[bytes, bytes]:
    """What comes before the date, and what after it: for most phones the same."""
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    if status not in EMPTY:
        lines.append(f"content-length: {length}\r\n")
    lines.append("\r\n" if keep else "connection: close\r\n\r\n")
    return f"HTTP/1.1 {status} {PHRASES[status]}\r\n".encode(), "".join(lines).encode("latin-1")
