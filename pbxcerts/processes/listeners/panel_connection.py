"""A connection of the panel: uvicorn's, which gives up clients that take too long, and bounds what one that does not wait for its
answers gets (rules taken-in-time, in-turn).
"""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pbxcerts.processes.listeners.places import Place

HEAD_WITHIN = 20
"""Seconds for the head of a request since the connection was made."""
HEAD_LIMIT = 64 * 1024
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


class HeldFlow(FlowControl):
    """While it `is_held`, nothing is read, whoever wants it: what has been read already is not parsed yet."""

    is_held = False
    is_lost = False

    def hold(self) -> None:
        self.is_held = True
        self.pause_reading()

    def release(self) -> None:
        if self.is_held:
            self.is_held = False
            self.resume_reading()

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection on which the head of a request does not come in time, or has no end; between two requests uvicorn's
    own limit holds. Of requests that a client sends without waiting for the answers one is answered, and the others are not read
    until it is their turn; and who does not take what is sent to him is cut off.

    `presents`: the generation whose host certificate the connection was made with. `place`: its place at the listener.
    """

    presents: int | None = None
    place: Place
    flow: HeldFlow
    _head: asyncio.TimerHandle | None = None
    _head_size = 0
    _taking: asyncio.TimerHandle | None = None
    _unread = b""
    _awaits_turn = False
    _body_left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = HeldFlow(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._awaits_turn:
            self._read()

    def _read(self) -> None:
        """Give the parser a request as far as it has come, and keep what follows it until it is answered."""
        whole, self._unread = self._unread, b""
        data, start = memoryview(whole), 0
        while start < len(data) and self._may_read():
            was_in_body = self._is_in_body()
            end = self._end_of_part(whole, start)
            self._parse(data[start:end])
            start = end
            if was_in_body and not self._body_left:
                # Of a body in chunks nobody knows whether a request follows it.
                break
        if not self._is_over():
            self._unread = whole[start:]
        if self._unread:
            self.flow.hold()
            self._go_on()
        else:
            self.flow.release()

    def _end_of_part(self, data: bytes, start: int) -> int:
        """The end of what belongs to one request for certain: of its body, or of a head, which ends with an empty line
        (RFC 9112 section 2.1).
        """
        if self._body_left:
            return min(start + self._body_left, len(data))
        end = data.find(b"\r\n\r\n", start) + 4
        return len(data) if end < 4 else end

    def _parse(self, part: memoryview) -> None:
        super().data_received(part)  # type: ignore[arg-type]
        if self._head is not None:
            self._head_size += len(part)
            if self._head_size > HEAD_LIMIT:
                self._stop_waiting()
                self.transport.write(TOO_LARGE)
                self._end()

    def _may_read(self) -> bool:
        return not (self._is_answering() or self.flow.write_paused or self._is_over())

    def _is_answering(self) -> bool:
        """Whether a whole request has come, and its response is not made yet."""
        # uvicorn has none before the first request.
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.more_body)  # type: ignore[redundant-expr]

    def _is_in_body(self) -> bool:
        return self._head is None and self.cycle is not None and self.cycle.more_body  # type: ignore[redundant-expr]

    def _is_over(self) -> bool:
        return self.transport.is_closing()

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()
        # `peer` is who has made the connection, whatever a proxy says of its client.
        peer = self.client[0] if self.client else ""
        self.scope["state"].update(turn_out=self.place.turn_out, flow=self.flow, peer=peer)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._head_size = 0
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            raise ValueError("the head of the request is too large")  # answered with 400
        self._body_left = int(dict(self.headers).get(b"content-length", 0))
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        # Of a body in chunks it is not known.
        self._body_left = max(0, self._body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_left = 0
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
        """What was sent before it was answered waits for its turn."""
        if self._unread and not self._awaits_turn and self._may_read():
            self._awaits_turn = True
            self.place.take_turn(self._read_in_turn)

    def _read_in_turn(self) -> None:
        self._awaits_turn = False
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
        elif self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.place.asks()
        self.loop.call_soon(self._go_on)

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def send_400_response(self, msg: str) -> None:
        self.transport.write(BAD_REQUEST % (len(msg), msg.encode("ascii")))
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.flow.is_lost = True
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
            self._head = self.loop.call_later(HEAD_WITHIN, self._end)

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
