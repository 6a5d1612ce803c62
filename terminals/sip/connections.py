"""TCP and TLS connections to the next hops, and all that is open, UDP too."""

import asyncio
import logging
import socket
import ssl
from functools import partial
from typing import Protocol, cast

from pbxcerts.system.network.addresses import NoAttemptSucceeded, SocketAddress, first_connection, in_turns
from pbxcerts.system.network.endpoint import Endpoint
from terminals.sip.datagrams import DatagramChannel, DatagramSocket, without_scope
from terminals.sip.errors import HopUnreached, MalformedMessage, Silence
from terminals.sip.hop import Hop, Transport
from terminals.sip.message import MessageFraming, SentBy

logger = logging.getLogger(__name__)

CONNECT_WITHIN = 10.0
"""Seconds for the name, the connection and its handshake."""
MOST_IDLE = 64
"""Connections that are kept though nothing is awaited over them; telephones reached directly have one each."""


class Channel(Protocol):
    """A way to one next hop on which requests go out and answers come in, from `address`."""

    hop: Hop
    address: str
    reliable: bool

    @property
    def is_open(self) -> bool: ...

    def sender(self) -> SentBy:
        """How requests on this channel name us. Raises OSError where there is no route."""
        ...

    def write(self, octets: bytes) -> None:
        """Raises OSError."""
        ...


class Receiver(Protocol):
    """What connections tell. `source` is a datagram's IP address; over a connection it is the next hop's own."""

    def received(self, octets: bytes, source: str) -> None: ...
    def unreadable(self, error: MalformedMessage) -> None: ...
    def lost(self, channel: Channel) -> None: ...


class StreamChannel(asyncio.Protocol):
    """A TCP or TLS connection, shared by all requests to its next hop. `awaited`: how many responses are to come."""

    reliable = True
    _transport: asyncio.Transport

    def __init__(self, hop: Hop, receiver: Receiver) -> None:
        self.hop = hop
        self.address = hop.host
        self.awaited = 0
        self._receiver = receiver
        self._framing = MessageFraming(bare_line_feeds=True)
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def data_received(self, octets: bytes) -> None:
        try:
            for message in self._framing.feed(octets):
                self._receiver.received(message, self.address)
        except MalformedMessage as error:
            # Where one message ends is not known any more, nor where the next one begins.
            self._receiver.unreadable(error)
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closed:
            self._receiver.lost(self)

    def sender(self) -> SentBy:
        host, port = self._transport.get_extra_info("sockname")[:2]
        transport = self.hop.transport
        return SentBy(transport.upper(), str(Endpoint(without_scope(host), port)), f";transport={transport}")

    def write(self, octets: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionError("the connection is closing")
        self.awaited += 1
        self._transport.write(octets)

    def close(self) -> None:
        self._closed = True
        self._transport.abort()


class SipConnections:
    """All sockets of one sending."""

    def __init__(self, receiver: Receiver, *, tls: ssl.SSLContext | None) -> None:
        self._receiver = receiver
        self._tls = tls
        self._sockets: dict[int, DatagramSocket] = {}
        self._channels: dict[Hop, DatagramChannel | StreamChannel] = {}
        self._answering: dict[Hop, DatagramChannel] = {}
        """Of the names that are reached over UDP, the addresses that have answered."""

    def at_hand(self, hop: Hop) -> DatagramChannel | StreamChannel | None:
        """The channel to a hop where nothing is to be waited for: UDP to an address, or what is open already."""
        if hop.transport is Transport.UDP and (literal := _read_address(hop.host)):
            family, host = literal
            return DatagramChannel(hop, self._socket(family), (host, hop.port))
        channel = self._channels.get(hop)
        return channel if channel and channel.is_open else None

    async def open(self, hop: Hop) -> DatagramChannel | StreamChannel:
        """Look the name up and connect. Raises HopUnreached."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                if hop.transport is Transport.UDP:
                    self._channels[hop] = await self._look_up(hop)
                else:
                    self._channels[hop] = await self._connect(hop)
        except TimeoutError as error:
            raise HopUnreached(Silence.TIMEOUT, error) from error
        except (socket.gaierror, UnicodeError) as error:
            raise HopUnreached(Silence.UNRESOLVED, error) from error
        except ssl.CertificateError as error:
            raise HopUnreached(Silence.UNTRUSTED, error) from error
        except OSError as error:
            raise HopUnreached(Silence.UNREACHABLE, error) from error
        return self._channels[hop]

    def next_of(self, channel: Channel) -> DatagramChannel | None:
        """Where a request goes that `channel` did not answer: to the address of the same hop that answers others, else to the next
        one. None where there is none, or where it is the telephone behind the hop that says nothing.
        """
        if not isinstance(channel, DatagramChannel):
            return None
        if (answering := self._answering.get(channel.hop)) is not None:
            return answering if answering.address != channel.address else None
        if not channel.following:
            return None
        (family, address), *following = channel.following
        return DatagramChannel(channel.hop, self._socket(family), address, following)

    def has_answered(self, channel: Channel) -> None:
        """From now on all requests to the hop go to the address that has answered, where it has several."""
        if isinstance(channel, DatagramChannel) and channel.hop in self._channels:
            self._channels[channel.hop] = self._answering[channel.hop] = channel

    def forget(self, channel: Channel) -> None:
        """Forget a channel that is lost; the next request opens another one."""
        if self._channels.get(channel.hop) is channel:
            del self._channels[channel.hop]

    def answered(self, channel: Channel) -> None:
        """Note that one response less is awaited on a channel."""
        if isinstance(channel, StreamChannel):
            channel.awaited -= 1
            if not channel.awaited and len(self._channels) > MOST_IDLE:
                self.forget(channel)
                channel.close()

    def close(self) -> None:
        for channel in self._channels.values():
            if isinstance(channel, StreamChannel):
                channel.close()
        for datagrams in self._sockets.values():
            datagrams.close()

    async def _look_up(self, hop: Hop) -> DatagramChannel:
        found = await self._addresses(hop, socket.SOCK_DGRAM)
        usable = [one for one in found if self._speaks(one.family)] or found
        (family, address), *following = usable
        return DatagramChannel(hop, self._socket(family), address, following)

    def _speaks(self, family: int) -> bool:
        """Whether this machine has that version of IP at all."""
        try:
            self._socket(family)
        except OSError as error:
            logger.debug("UDP: %s", error)
            return False
        return True

    async def _addresses(self, hop: Hop, kind: socket.SocketKind) -> list[SocketAddress]:
        return in_turns(await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port, type=kind))

    async def _connect(self, hop: Hop) -> StreamChannel:
        found = await self._addresses(hop, socket.SOCK_STREAM)
        attempts = [partial(self._connect_to, hop, one) for one in found]
        try:
            return await first_connection(attempts, within=CONNECT_WITHIN, discard=StreamChannel.close)
        except NoAttemptSucceeded as none:
            # A certificate that is not trusted says more than an address where nobody is.
            raise next((one for one in none.errors if isinstance(one, ssl.CertificateError)), none.errors[-1]) from none

    async def _connect_to(self, hop: Hop, one: SocketAddress) -> StreamChannel:
        loop = asyncio.get_running_loop()
        secure = hop.transport is Transport.TLS
        connection = socket.socket(one.family, socket.SOCK_STREAM)
        try:
            connection.settimeout(0)
            await loop.sock_connect(connection, one.address)
            _, channel = await loop.create_connection(
                lambda: StreamChannel(hop, self._receiver),
                sock=connection,
                ssl=self._tls if secure else None,
                server_hostname=hop.host if secure else None,
            )
        except BaseException:
            connection.close()
            raise
        return channel

    def _socket(self, family: int) -> DatagramSocket:
        if family not in self._sockets:
            self._sockets[family] = DatagramSocket(family, self._receiver.received)
        return self._sockets[family]


def _read_address(host: str) -> tuple[int, str] | None:
    """The family of an IP address, and the address as the system writes it; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return family, socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, UnicodeError):
            continue
    return None
