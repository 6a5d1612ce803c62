"""What stands between a client and the eight threads: only whole requests get through, and nobody may take for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pbxcerts.precedence import Precedence

REQUEST_WITHIN = 20
"""Seconds for the head of a request since the connection was made, and for its body since the head."""
HEAD_LIMIT = 64 * 1024
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n"
    b"content-security-policy: default-src 'none'\r\nconnection: close\r\n\r\n"
)
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
    b"content-security-policy: default-src 'none'\r\nconnection: close\r\n\r\n%b"
)

Message = dict[str, Any]


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection on which the head of a request does not come in time, or has no end; between two requests uvicorn's
    own limit holds.

    `presents`: the generation whose host certificate the connection was made with.
    """

    presents: int | None = None
    _head: asyncio.TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._stop_waiting()
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._head_size = 0
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            raise ValueError("the head of the request is too large")  # answered with 400
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self.transport.write(BAD_REQUEST % (len(msg), msg.encode("ascii")))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(REQUEST_WITHIN, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class WholeRequests:
    """ASGI: reads the body before the application is called, at most `limit` bytes of it. What it is called for has precedence."""

    def __init__(self, app: Any, *, limit: int, precedence: Precedence) -> None:
        self._app = app
        self._limit = limit
        self._precedence = precedence

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = bytearray()
        try:
            async with asyncio.timeout(REQUEST_WITHIN):
                while True:
                    message: Message = await receive()
                    if message["type"] != "http.request":
                        return
                    body += message.get("body", b"")
                    if len(body) > self._limit:
                        await _refuse(send, 413, b"The request is too large.")
                        return
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            await _refuse(send, 408, b"The request was not completed in time.")
            return

        async def whole() -> Message:
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        with self._precedence.page():
            await self._app(scope, whole, send)


async def _refuse(send: Any, status: int, text: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
