"""Whether a response has arrived: Linux counts the octets that the peer's machine has acknowledged (TCP_INFO)
(rule acknowledged).
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
from functools import cached_property
from typing import Protocol

from terminals.evidence.facts import Fact

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


class SharedSocket(Protocol):
    """A transport whose socket others may keep beyond its connection; it has had `octets_written` until now."""

    octets_written: int

    def keep(self) -> socket.socket: ...
    def let_go(self) -> None: ...


class Acknowledgement:
    """Watches whether `size` octets that are about to be written are acknowledged `until` then, by the event loop's clock; what TLS adds
    is not counted. They prove `facts`; `then` is called once it is known whether they have arrived.

    It keeps the socket open, so that it can be asked after its transport was closed.
    """

    __slots__ = ("_close", "_socket", "_wanted", "facts", "then", "until")

    def __init__(
        self,
        transport: asyncio.Transport,
        size: int,
        facts: Iterable[Fact],
        until: float,
        then: Callable[[Acknowledgement], None],
    ) -> None:
        self.facts = facts
        self.until = until
        self.then = then
        shared: SharedSocket | None = transport.get_extra_info("shared_socket")
        if shared is not None:
            self._socket = shared.keep()
            self._close = shared.let_go
            # The system counts the octets of an accepted connection from its first one.
            self._wanted = shared.octets_written + size
            return
        # The family only matters for addresses.
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM, 0, os.dup(transport.get_extra_info("socket").fileno())
        )
        self._close = self._socket.close
        # What was written before and is still on its way comes first.
        acknowledged: int = ACKNOWLEDGED.unpack_from(self._info(), ACKNOWLEDGED_AT)[0]
        self._wanted = acknowledged + self._on_its_way() + size

    def close(self) -> None:
        """May be called more than once."""
        close, self._close = self._close, _is_closed
        close()

    def arrived(self) -> bool | None:
        """Whether the octets have arrived; None while that is not known yet."""
        try:
            info = self._info()
        except OSError:
            # It was aborted.
            return False
        if ACKNOWLEDGED.unpack_from(info, ACKNOWLEDGED_AT)[0] >= self._wanted:
            return True
        return False if info[0] == CLOSED else None

    def _info(self) -> bytes:
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED_AT + 8)

    def _on_its_way(self) -> int:
        """Octets written and not acknowledged (SIOCOUTQ, which is TIOCOUTQ)."""
        return int.from_bytes(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _is_closed() -> None:
    """Nothing more is to be closed."""


class Acknowledgements:
    """Gives `take` what a response proves once the response has arrived, and never if it does not arrive. For one event loop."""

    def __init__(self, take: Callable[[Fact], None]) -> None:
        self._take = take
        self._written: list[Acknowledgement] = []
        self._late: list[Acknowledgement] = []

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def expect(
        self,
        transport: asyncio.Transport,
        size: int,
        facts: Iterable[Fact],
        *,
        then: Callable[[Acknowledgement], None] = lambda _known: None,
    ) -> Acknowledgement:
        """Watch a response of `size` octets, which proves these facts. To be called before it is written.

        `then` is called once it is known whether they have arrived. Until then a socket is kept.
        """
        if not self._written:
            # On a quick network they are acknowledged by then, and one look serves all that was written meanwhile.
            self._loop.call_later(PAUSE, self._look)
        acknowledgement = Acknowledgement(transport, size, facts, self._loop.time() + WITHIN, then)
        self._written.append(acknowledgement)
        return acknowledgement

    async def end(self, within: float) -> None:
        """Wait until what was written has arrived or is lost; what is not known in time counts as lost."""
        until = self._loop.time() + within
        while (self._written or self._late) and self._loop.time() < until:
            await asyncio.sleep(PAUSE)
        for one in self._written + self._late:
            one.close()
        self._written, self._late = [], []

    def _look(self) -> None:
        written, self._written = self._written, []
        if still := self._not_arrived(written):
            if not self._late:
                self._loop.call_later(PAUSE, self._look_again)
            self._late += still

    def _look_again(self) -> None:
        # Not the event loop's time, which stands still while a callback runs.
        began = time.monotonic()
        self._late = self._not_arrived(self._late)
        if self._late:
            self._loop.call_later(max(PAUSE, PAUSE_PER_LOOK * (time.monotonic() - began)), self._look_again)

    def _not_arrived(self, waiting: list[Acknowledgement]) -> list[Acknowledgement]:
        still = []
        now = self._loop.time()
        for one in waiting:
            arrived = one.arrived()
            if arrived is None and now < one.until:
                still.append(one)
                continue
            one.close()
            if arrived:
                for fact in one.facts:
                    self._take(fact)
            one.then(one)
        return still
