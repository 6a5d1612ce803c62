"""The SIP NOTIFY that asks for a round: `check-sync;reboot=false` without a subscription; over UDP and TCP it is heard here.

What is no SIP request is ignored; what does not come from a communication server named in the configuration is answered 403.
"""

import asyncio
import hashlib
import ipaddress
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from terminals.agent.config import Network, SipConfig
from terminals.agent.errors import AgentConfigError
from terminals.sip.errors import MalformedMessage, MessageFault
from terminals.sip.message import LONGEST_HEAD, MessageFraming, SipRequest, read_request

MOST_CONNECTIONS = 32
IDLE = 3600.0
"""Seconds until a TCP connection on which nothing comes is closed."""
SIP_PORT = 5060

_PHRASES = {200: "OK", 403: "Forbidden", 405: "Method Not Allowed", 489: "Bad Event"}
_TOP_VIA = re.compile(
    r'SIP\s*/\s*2\.0\s*/\s*\S+\s+(\[[^\]\s]+\]|[^\s:;,\[\]]+)(?::(\d{1,5}))?((?:\s*;[^;,"]*)*)', re.ASCII
)
_RPORT = re.compile(r";\s*rport\s*(?=;|$)", re.IGNORECASE)

logger = logging.getLogger("pbxcerts-agent")


class NotifyResponse:
    """A response: its octets, the port that it goes to over UDP, and whether the request asks for a round."""

    def __init__(self, octets: bytes, port: int, *, asked: bool) -> None:
        self.octets = octets
        self.port = port
        self.asked = asked


class UserAgentServer:
    """Answers requests from `servers`; others get 403. Pure: a repeated request gets the same response again."""

    def __init__(self, servers: Sequence[Network]) -> None:
        self._servers = servers

    def reply(self, octets: bytes, source: str, port: int) -> NotifyResponse | None:
        """The response to a message; None for one that is not answered: garbage, a response, an ACK."""
        try:
            request = read_request(octets)
            if request.method == "ACK":
                return None
            return _write(request, self._status(request, source), source, port)
        except MalformedMessage:
            return None

    def _status(self, request: SipRequest, source: str) -> int:
        address = ipaddress.ip_address(source)
        if not any(address in network for network in self._servers):
            return 403
        if request.method == "OPTIONS":
            return 200
        if request.method != "NOTIFY":
            return 405
        event, *parameters = request.headers.get("event", "").replace(" ", "").lower().split(";")
        # This agent restarts nothing, and says so where it is to.
        return 200 if event == "check-sync" and "reboot=true" not in parameters else 489


def _write(request: SipRequest, status: int, source: str, port: int) -> NotifyResponse:
    """RFC 3261 section 8.2.6, with where it came from in the Via (RFC 3581 section 4). Raises MalformedMessage."""
    vias = request.headers["via"].split("\n")
    top = _TOP_VIA.match(vias[0])
    if top is None:
        raise MalformedMessage(MessageFault.GARBLED)
    parameters, has_rport = _RPORT.subn(f";rport={port}", top.group(3), count=1)
    received = f"{vias[0][: top.start(3)]}{parameters};received={source}{vias[0][top.end(3) :]}"
    to = request.headers["to"]
    if "tag=" not in to.rpartition(">")[2].lower():
        to += f";tag={hashlib.sha256(request.headers['call-id'].encode()).hexdigest()[:16]}"
    lines = [
        f"SIP/2.0 {status} {_PHRASES[status]}",
        *(f"Via: {value}" for value in [received, *vias[1:]]),
        f"From: {request.headers['from']}",
        f"To: {to}",
        f"Call-ID: {request.headers['call-id']}",
        f"CSeq: {request.headers['cseq']}",
        "Allow: NOTIFY, OPTIONS",
        "Allow-Events: check-sync",
        "Server: pbxcerts-agent",
        "Content-Length: 0",
    ]
    octets = "\r\n".join([*lines, "", ""]).encode()
    return NotifyResponse(
        octets,
        port if has_rport else int(top.group(2) or SIP_PORT),
        asked=status == 200 and request.method == "NOTIFY",
    )


def without_scope(address: str) -> str:
    """An address of a socket as SIP writes it: IPv6 without its zone, IPv4 without the prefix of a socket for both."""
    return address.partition("%")[0].removeprefix("::ffff:")


class NotifyListener:
    """The sockets. `asked` is called with the address of the server that asks for a round."""

    def __init__(self, sip: SipConfig, asked: Callable[[str], None]) -> None:
        self._sip = sip
        self._asked = asked
        self._responder = UserAgentServer(sip.servers)
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self.streams: set[_Stream] = set()

    async def open(self) -> None:
        """Raises AgentConfigError where the address cannot be taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Stream(self), self._sip.listen.host, self._sip.listen.port)
            # Port 0 is for tests: both transports share what the system gave.
            address = (self._sip.listen.host, self.port)
            self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=address)
        except OSError as error:
            self.close()
            raise AgentConfigError(f"sip.listen cannot be used: {error}") from error

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

    def take(self, octets: bytes, source: str, port: int) -> NotifyResponse | None:
        source = without_scope(source)
        reply = self._responder.reply(octets, source, port)
        if reply and reply.asked:
            self._asked(source)
        return reply


class _Datagrams(asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport

    def __init__(self, listener: NotifyListener) -> None:
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

    def __init__(self, listener: NotifyListener) -> None:
        self._listener = listener
        self._framing = MessageFraming()

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
        except MalformedMessage as error:
            logger.debug("TCP: %s", error)
            self.abort()

    def _answered(self, reply: NotifyResponse) -> bool:
        """Send a response. Returns whether the connection is kept: not if the peer may not ask, or does not read."""
        self._transport.write(reply.octets)
        return b" 403 " not in reply.octets[:12] and self._transport.get_write_buffer_size() < LONGEST_HEAD

    def abort(self) -> None:
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._end.cancel()
        self._listener.streams.discard(self)
