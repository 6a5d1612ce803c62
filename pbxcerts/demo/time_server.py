"""A time server (NTP, RFC 5905) that says what the machine's clock says: the demonstration asks nobody outside."""

import asyncio
import struct
import time
from typing import Any

SINCE_1900 = 2_208_988_800
_SERVER = 4 << 3 | 4  # version 4, mode server
_STRATUM, _POLL, _PRECISION = 2, 6, -20


class TimeServer(asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, query: bytes, source: tuple[Any, ...]) -> None:
        if len(query) >= 48:
            self._transport.sendto(response(query, time.time()), source)


def response(query: bytes, now: float) -> bytes:
    """`now` in seconds since 1970."""
    stamp = struct.pack("!II", int(now) + SINCE_1900, int(now % 1 * 2**32))
    head = struct.pack("!BBbb II 4s", _SERVER, _STRATUM, _POLL, _PRECISION, 0, 0, bytes([127, 127, 1, 0]))
    return head + stamp + query[40:48] + stamp + stamp
