"""A small NTP server on 127.0.0.1 that answers as a test wants it to."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Self

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
REFERENCE = struct.pack("!I", 0x7F7F0101)


@dataclass
class NtpResponder:
    """Serves between `with` and its end. Everything can be changed while it serves; `asked` counts the queries.

    `offset`: seconds that its clock is ahead of `clock`, which is a test's own where that fakes the time. `delay`: by
    the timestamps the answer was under way for so many seconds, also less than none. `kiss`: the code of a kiss of
    death. `origin_error`: seconds between the origin timestamp and the one asked with. `length`: how many bytes of the
    answer are sent. `timeless`: receive and transmit timestamp are zero. `before_answer`: called first. `stranger`: an
    answer from another port, a day ahead, comes first.
    """

    offset: float = 0.0
    stratum: int = 2
    leap: int = 0
    mode: int = 4
    kiss: str = ""
    origin_error: float = 0.0
    delay: float = 0.0
    silent: bool = False
    length: int = 48
    timeless: bool = False
    stranger: bool = False
    before_answer: Callable[[], object] = lambda: None
    clock: Callable[[], float] = time.time
    asked: int = 0
    port: int = 0
    host: str = "127.0.0.1"
    _socket: socket.socket = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._socket.bind((self.host, self.port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An empty datagram ends the thread: closing a socket does not wake one that receives from it.
        with socket.socket(self._family, socket.SOCK_DGRAM) as farewell:
            farewell.sendto(b"", (self.host, self.port))
        self._thread.join()
        self._socket.close()

    def as_new(self) -> Self:
        """Answer as in the beginning, for the next test."""
        for known in fields(self):
            if known.init and known.name not in {"host", "port"}:
                setattr(self, known.name, known.default)
        return self

    @property
    def server(self) -> str:
        """As it is written into the list of servers."""
        return f"127.0.0.1:{self.port}"

    @property
    def _family(self) -> int:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(1024)
            if not query:
                return
            self.asked += 1
            if self.silent:
                continue
            self.before_answer()
            if self.stranger:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(self._answer(query, ahead=86_400.0), client)
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes, ahead: float = 0.0) -> bytes:
        now = self.clock() + self.offset + ahead
        origin = query[40:48]
        if self.origin_error:
            seconds, fraction = struct.unpack("!II", origin)
            origin = _timestamp(seconds + fraction / 2**32 + self.origin_error - NTP_EPOCH)
        received, sent = now + self.delay / 2, now - self.delay / 2
        answer = struct.pack(
            "!BBbb4s4s4s8s8s8s8s",
            self.leap << 6 | 4 << 3 | self.mode,
            0 if self.kiss else self.stratum,
            6,
            -20,
            bytes(4),
            bytes(4),
            self.kiss.encode() if self.kiss else REFERENCE,
            _timestamp(now),
            origin,
            bytes(8) if self.timeless else _timestamp(received),
            bytes(8) if self.timeless else _timestamp(sent),
        )
        return (answer + bytes(20))[: self.length]


def _timestamp(unix_seconds: float) -> bytes:
    seconds = (unix_seconds + NTP_EPOCH) % 2**32
    return struct.pack("!II", int(seconds), int(seconds % 1 * 2**32))
