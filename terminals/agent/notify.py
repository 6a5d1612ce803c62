"""The SIP NOTIFY that asks for a round: `check-sync;reboot=false` without a subscription; over UDP and TCP it is heard here.

What is no SIP request is ignored; what does not come from a communication server named in the configuration is answered 403.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from sipmessage import Message, Request

from terminals.agent.config import Network, Sip
from terminals.agent.errors import ConfigError
from terminals.sip.message import LONGEST_HEAD, MOST_LINES, Framing, Malformed

MOST_CONNECTIONS = 32
IDLE = 3600.0
"""Seconds until a TCP connection on which nothing comes is closed."""
SIP_PORT = 5060

_COPIED = ("From", "Call-ID", "CSeq")
_PHRASES = {200: "OK", 403: "Forbidden", 405: "Method Not Allowed", 489: "Bad Event"}
_TOP_VIA = re.compile(
    r'SIP\s*/\s*2\.0\s*/\s*\S+\s+(\[[^\]\s]+\]|[^\s:;,\[\]]+)(?::(\d{1,5}))?((?:\s*;[^;,"]*)*)', re.ASCII
)
_RPORT = re.compile(r";\s*rport\s*(?=;|$)", re.IGNORECASE)

logger = logging.getLogger("pbxcerts-agent")


class Reply:
    """What is sent back, where to (over UDP), and whether a round is asked for."""

    def __init__(self, octets: bytes, port: int, *, asked: bool) -> None:
        self.octets = octets
        self.port = port
        self.asked = asked


class Responder:
    """Requests in, replies out; pure. One and the same request always gets one and the same reply.

    `servers`: from where requests may come.
    """

    def __init__(self, servers: Sequence[Network]) -> None:
        self._servers = servers

    def reply(self, octets: bytes, source: str, port: int) -> Reply | None:
        """None for what is not answered: garbage, answers, ACK."""
        if len(octets) > LONGEST_HEAD or octets.count(b"\r\n") > MOST_LINES:
            return None
        try:
            request = Message.parse(octets.lstrip(b"\r\n"))
            if not isinstance(request, Request) or request.method == "ACK":
                return None
            status = self._status(request, source)
            return _write(request, status, source, port)
        except (ValueError, KeyError):
            return None

    def _status(self, request: Request, source: str) -> int:
        address = ipaddress.ip_address(source)
        if not any(address in network for network in self._servers):
            return 403
        if request.method == "OPTIONS":
            return 200
        if request.method != "NOTIFY":
            return 405
        event, *parameters = request.headers.get("Event", "").replace(" ", "").lower().split(";")  # type: ignore[union-attr]
        # This agent restarts nothing, and says so where it is to.
        return 200 if event == "check-sync" and "reboot=true" not in parameters else 489


def _write(request: Request, status: int, source: str, port: int) -> Reply:
    """RFC 3261 section 8.2.6, with where it came from in the Via (RFC 3581 section 4). Raises ValueError and KeyError."""
    vias = request.headers.getlist("Via")
    top = _TOP_VIA.match(vias[0]) if vias else None
    if top is None:
        raise ValueError("no Via")
    parameters, has_rport = _RPORT.subn(f";rport={port}", top.group(3), count=1)
    received = f"{vias[0][: top.start(3)]}{parameters};received={source}{vias[0][top.end(3) :]}"
    to = request.headers["To"]
    if "tag=" not in to.rpartition(">")[2].lower():
        to += f";tag={hashlib.sha256(request.headers['Call-ID'].encode()).hexdigest()[:16]}"
    lines = [
        f"SIP/2.0 {status} {_PHRASES[status]}",
        *(f"Via: {value}" for value in [received, *vias[1:]]),
        *(f"{name}: {request.headers[name]}" for name in _COPIED),
        f"To: {to}",
        "Allow: NOTIFY, OPTIONS",
        "Allow-Events: check-sync",
        "Server: pbxcerts-agent",
        "Content-Length: 0",
    ]
    octets = "\r\n".join([*lines, "", ""]).encode()
    return Reply(
        octets,
        port if has_rport else int(top.group(2) or SIP_PORT),
        asked=status == 200 and request.method == "NOTIFY",
    )


def without_scope(address: str) -> str:
    """As it stands in SIP: an IPv6 address without its zone, an IPv4 address as one."""
    return address.partition("%")[0].removeprefix("::ffff:")


class Listener:
    """The sockets. `asked` is called with the address of the server that asks for a round."""

    def __init__(self, sip: Sip, asked: Callable[[str], None]) -> None:
        self._sip = sip
        self._asked = asked
        self._responder = Responder(sip.servers)
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self.streams: set[_Stream] = set()

    async def open(self) -> None:
        """Raises ConfigError where the address cannot be taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Stream(self), self._sip.host, self._sip.port)
            # Port 0 is for tests: both transports share what the system gave.
            address = (self._sip.host, self.port)
            self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=address)
        except OSError as error:
            self.close()
            raise ConfigError(f"sip.listen cannot be used: {error}") from error

    @property
    def port(self) -> int:
        return int(cast(asyncio.Server, self._server).sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._datagrams:
            self._datagrams.close()
        if self._server:
            self._server.close()
        for stream in list(self.streams):
            stream.abort()

    def take(self, octets: bytes, source: str, port: int) -> Reply | None:
        source = without_scope(source)
        reply = self._responder.reply(octets, source, port)
        if reply and reply.asked:
            self._asked(source)
        return reply


class _Datagrams(asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, octets: bytes, source: tuple[Any, ...]) -> None:
        reply = self._listener.take(octets, source[0], source[1])
        if reply and 0 < reply.port < 65_536:
            self._transport.sendto(reply.octets, (source[0], reply.port, *source[2:]))

    def error_received(self, error: Exception) -> None:
        logger.debug("UDP: %s", error)


class _Stream(asyncio.Protocol):
    """One TCP connection; it ends where what comes cannot be understood, or comes from somebody else."""

    _transport: asyncio.Transport
    _end: asyncio.TimerHandle

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._framing = Framing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._listener.streams.add(self)
        self._wait()
        if len(self._listener.streams) > MOST_CONNECTIONS:
            self.abort()

    def _wait(self) -> None:
        self._end = asyncio.get_running_loop().call_later(IDLE, self.abort)

    def data_received(self, octets: bytes) -> None:
        self._end.cancel()
        self._wait()
        source, port = self._transport.get_extra_info("peername")[:2]
        try:
            for message in self._framing.feed(octets):
                reply = self._listener.take(message, source, port)
                if reply is None or not self._answered(reply):
                    self._transport.close()
                    return
        except Malformed as error:
            logger.debug("TCP: %s", error)
            self.abort()

    def _answered(self, reply: Reply) -> bool:
        """Whether the connection goes on: with a peer that reads its answers, and may ask."""
        self._transport.write(reply.octets)
        return b" 403 " not in reply.octets[:12] and self._transport.get_write_buffer_size() < LONGEST_HEAD

    def abort(self) -> None:
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._end.cancel()
        self._listener.streams.discard(self)
