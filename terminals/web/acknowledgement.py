"""Whether a response has arrived: Linux counts the octets that the peer's machine has acknowledged (tcp(7), TCP_INFO).

That a response was written says only that it lies in a buffer of ours, and how a connection ends says nothing at all: a phone
that has its file may reset it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import termios
from types import TracebackType

ACKNOWLEDGED_AT = 120
"""Where `tcpi_bytes_acked` is in `struct tcp_info` (linux/tcp.h), in octets; 64 bits."""
CLOSED = 7
"""TCP_CLOSE, in the first octet of it: nothing more will be acknowledged."""
FIRST_LOOK, LONGEST_PAUSE = 0.001, 0.25


class Acknowledgement:
    """Of `size` octets that are about to be written; what TLS adds to them is not counted.

    Entered before they are written. It keeps the socket open, so that it can be asked after its transport was closed.
    """

    def __init__(self, transport: asyncio.Transport, size: int) -> None:
        peer = transport.get_extra_info("socket")
        self._socket = socket.socket(peer.family, peer.type, peer.proto, os.dup(peer.fileno()))
        # What was written before and is still on its way comes first.
        self._wanted = self._acknowledged()[0] + self._on_its_way() + size

    def __enter__(self) -> Acknowledgement:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    async def within(self, seconds: float) -> bool:
        # Written at the end of this round of the event loop; on a quick network acknowledged in the next.
        await asyncio.sleep(0)
        pause = FIRST_LOOK
        while True:
            acknowledged, closed = self._acknowledged()
            if acknowledged >= self._wanted:
                return True
            if closed or seconds <= 0:
                return False
            await asyncio.sleep(pause)
            seconds -= pause
            pause = min(2 * pause, LONGEST_PAUSE)

    def _acknowledged(self) -> tuple[int, bool]:
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED_AT + 8)
        return int(struct.unpack_from("=Q", info, ACKNOWLEDGED_AT)[0]), info[0] == CLOSED

    def _on_its_way(self) -> int:
        """Octets written and not acknowledged (SIOCOUTQ, which is TIOCOUTQ)."""
        return int(struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0])
