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
import sys
import termios
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from terminals.evidence import Fact

ACKNOWLEDGED_AT = 120
"""Where `tcpi_bytes_acked` is in `struct tcp_info` (linux/tcp.h), in octets; 64 bits."""
ACKNOWLEDGED = struct.Struct("=Q")
CLOSED = 7
"""TCP_CLOSE, in the first octet of it: nothing more will be acknowledged."""
WITHIN = 10
"""Seconds that a client may take to acknowledge a response before it counts as lost."""
PAUSE = 0.005
PAUSE_PER_LOOK = 20
"""With many that wait no more than a twentieth of the time goes into looking."""


class Acknowledgement:
    """Of `size` octets that are about to be written; what TLS adds to them is not counted.

    It keeps the socket open, so that it can be asked after its transport was closed.
    """

    def __init__(self, transport: asyncio.Transport, size: int) -> None:
        # The family only matters for addresses.
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM, 0, os.dup(transport.get_extra_info("socket").fileno())
        )
        # What was written before and is still on its way comes first.
        self._wanted = self._acknowledged()[0] + self._on_its_way() + size

    def close(self) -> None:
        self._socket.close()

    def arrived(self) -> bool | None:
        """None: not yet."""
        acknowledged, closed = self._acknowledged()
        if acknowledged >= self._wanted:
            return True
        return False if closed else None

    def _acknowledged(self) -> tuple[int, bool]:
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED_AT + 8)
        return ACKNOWLEDGED.unpack_from(info, ACKNOWLEDGED_AT)[0], info[0] == CLOSED

    def _on_its_way(self) -> int:
        """Octets written and not acknowledged (SIOCOUTQ, which is TIOCOUTQ)."""
        return int.from_bytes(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


class Waiting(NamedTuple):
    acknowledgement: Acknowledgement
    facts: Iterable[Fact]
    until: float


class Acknowledgements:
    """What responses prove once they have arrived: given to `take` then, and never where they do not arrive."""

    def __init__(self, take: Callable[[Fact], None]) -> None:
        self._take = take
        self._written: list[Waiting] = []
        self._late: list[Waiting] = []

    def expect(self, transport: asyncio.Transport, size: int, facts: Iterable[Fact]) -> None:
        """Called before these octets are written."""
        loop = asyncio.get_running_loop()
        if not self._written:
            # On a quick network they are acknowledged by then, and one look serves all that was written meanwhile.
            loop.call_later(PAUSE, self._look)
        self._written.append(Waiting(Acknowledgement(transport, size), facts, loop.time() + WITHIN))

    async def end(self, within: float) -> None:
        """Wait until what was written has arrived or is lost; what is not known in time counts as lost."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while (self._written or self._late) and loop.time() < until:
            await asyncio.sleep(PAUSE)
        for one in self._written + self._late:
            one.acknowledgement.close()
        self._written, self._late = [], []

    def _look(self) -> None:
        written, self._written = self._written, []
        if still := self._not_arrived(written):
            if not self._late:
                asyncio.get_running_loop().call_later(PAUSE, self._look_again)
            self._late += still

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._late = self._not_arrived(self._late)
        if self._late:
            loop.call_later(max(PAUSE, PAUSE_PER_LOOK * (time.monotonic() - began)), self._look_again)

    def _not_arrived(self, waiting: list[Waiting]) -> list[Waiting]:
        still = []
        now = asyncio.get_running_loop().time()
        for one in waiting:
            arrived = one.acknowledgement.arrived()
            if arrived is None and now < one.until:
                still.append(one)
                continue
            one.acknowledgement.close()
            if arrived:
                for fact in one.facts:
                    self._take(fact)
        return still
