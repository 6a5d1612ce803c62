"""Give the eight threads whole requests only, and give up clients that take too long (rule whole-requests)."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pbxcerts.processes.budget import Budget, Holding
from pbxcerts.processes.places import Place
from pbxcerts.processes.precedence import Precedence

REQUEST_WITHIN = 20
"""Seconds for the head of a request since the connection was made, and for its body since the head."""
HEAD_LIMIT = 64 * 1024
PART = 16 * 1024
TAKEN_WITHIN = 20
"""Seconds for a client to take what waits for it, down to a quarter of what may (the low-water mark), or all before we close."""
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n"
    b"content-security-policy: default-src 'none'\r\nconnection: close\r\n\r\n"
)
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
    b"content-security-policy: default-src 'none'\r\nconnection: close\r\n\r\n%b"
)

AsgiMessage = dict[str, Any]


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection on which the head of a request does not come in time, or has no end; between two requests uvicorn's
    own limit holds. Of requests that a client sends without waiting one is answered and one is kept, and the others are not
    read until then; and who does not take what is sent to him is cut off (rule taken-in-time).

    `presents`: the generation whose host certificate the connection was made with. `place`: its place at the listener.
    """

    presents: int | None = None
    place: Place
    _head: asyncio.TimerHandle | None = None
    _head_size = 0
    _taking: asyncio.TimerHandle | None = None
    _unread = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._read()

    def _read(self) -> None:
        """Give the parser one request after the other, as far as they can be answered now."""
        whole, self._unread = self._unread, b""
        data, start = memoryview(whole), 0
        while start < len(data) and self._may_read():
            # A head ends with an empty line (RFC 9112 section 2.1), so in each part at most one does.
            end = whole.find(b"\r\n\r\n", start) + 4
            part = data[start:] if end < 4 else data[start:end]
            start += len(part)
            self._parse(part)
        if start < len(data) and not self._is_over():
            self._unread = whole[start:]
        if self._unread:
            self.flow.pause_reading()

    def _parse(self, part: memoryview) -> None:
        super().data_received(part)  # type: ignore[arg-type]
        if self._head is not None:
            self._head_size += len(part)
            if self._head_size > HEAD_LIMIT:
                self._stop_waiting()
                self.transport.write(TOO_LARGE)
                self._end()

    def _may_read(self) -> bool:
        return not (self.pipeline or self.flow.write_paused or self._is_over())

    def _is_over(self) -> bool:
        return self.transport.is_closing()

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()
        # `peer` is who has made the connection, whatever a proxy says of its client.
        peer = self.client[0] if self.client else ""
        self.scope["state"].update(turn_out=self.place.turn_out, taken=self.flow.drain, peer=peer)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._head_size = 0
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            raise ValueError("the head of the request is too large")  # answered with 400
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.place.is_answered()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_over():
            self._await_taking()
            return
        if not self.flow.write_paused:
            self.place.asks()
        self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._unread and self._may_read():
            self.flow.resume_reading()
            self._read()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.place.is_answered()
        self._await_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_taking()
        if self._is_over():
            # What is left is little, and may be all that keeps the connection.
            self._await_taking()
        # uvicorn has none before the first request.
        elif self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.place.asks()
        self.loop.call_soon(self._go_on)

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def send_400_response(self, msg: str) -> None:
        self.transport.write(BAD_REQUEST % (len(msg), msg.encode("ascii")))
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._unread = b""
        super().connection_lost(exc)
        self._stop_taking()
        self.place.leave()

    def _end(self) -> None:
        """Close once the client has taken what was written, and do not wait for that for ever."""
        self.transport.close()
        self._await_taking()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(REQUEST_WITHIN, self._end)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _await_taking(self) -> None:
        if self._taking is None:
            self._taking = self.loop.call_later(TAKEN_WITHIN, self.place.turn_out)

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


class WholeRequests:
    """An ASGI application that reads the body, at most `limit` octets, before it calls `app`. `bodies` and `responses` are
    what all requests together may have kept for them.
    """

    def __init__(self, app: Any, *, limit: int, bodies: Budget, responses: Budget) -> None:
        self._app = app
        self._limit = limit
        self._bodies = bodies
        self._responses = responses

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._bodies.holding(lambda: None) as held:
            body = await self._whole_body(held, receive, send)
            if body is not None:
                await self._answer(body, scope, send)

    async def _whole_body(self, held: Holding, receive: Any, send: Any) -> bytes | None:
        """The body, or None where the request has been refused or the client has gone."""
        body = bytearray()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(REQUEST_WITHIN) as limit:
                held.give_up = lambda: limit.reschedule(loop.time())
                while True:
                    message: AsgiMessage = await receive()
                    if message["type"] != "http.request":
                        return None
                    part = message.get("body", b"")
                    if len(body) + len(part) > self._limit:
                        await _refuse(send, 413, b"The request is too large.")
                        return None
                    body += part
                    held.add(len(part))
                    if held.gave_up:
                        raise TimeoutError
                    if not message.get("more_body"):
                        held.keep()
                        return bytes(body)
        except TimeoutError:
            body.clear()
            if held.gave_up:
                await _refuse(send, 503, b"Too much is being sent at the same time. Please try again.")
            else:
                await _refuse(send, 408, b"The request was not completed in time.")
            return None

    async def _answer(self, body: bytes, scope: Any, send: Any) -> None:
        async def whole() -> AsgiMessage:
            return {"type": "http.request", "body": body, "more_body": False}

        loop = asyncio.get_running_loop()
        with self._responses.holding(scope["state"]["turn_out"]) as held:
            # Told by the thread that makes it.
            scope["state"]["made"] = lambda octets: loop.call_soon_threadsafe(held.add, octets)
            await self._app(scope, whole, lambda message: _send_in_parts(send, message))
            await scope["state"]["taken"]()


def in_one_go(application: Any, precedence: Precedence) -> Any:
    """The WSGI application, which has precedence until its response is made (rule pages-first) and tells how large that is.

    It is made in one go, into memory, and handed over as a whole: so that neither precedence nor a thread waits for the event loop
    between its parts, or for a client that reads slowly.
    """

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        with precedence.page():
            parts = application(environ, start_response)
            try:
                response = b"".join(parts)
            finally:
                getattr(parts, "close", lambda: None)()
        environ["asgi.scope"]["state"]["made"](len(response))
        return [response]

    return answer


async def _send_in_parts(send: Any, message: AsgiMessage) -> None:
    """Write a part only when the one before has been taken: TLS does not tell how much of a large one still waits."""
    body = message.get("body", b"")
    for start in range(0, len(body) - PART, PART):
        await send({**message, "body": body[start : start + PART], "more_body": True})
        # Others have their turn, and it is noticed that the client has gone.
        await asyncio.sleep(0)
    left = len(body) % PART or min(len(body), PART)
    await send({**message, "body": body[len(body) - left :]} if body else message)


async def _refuse(send: Any, status: int, text: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
