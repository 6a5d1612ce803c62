"""UDP sockets, TCP and TLS connections to the next hops.

Unreached      a next hop takes no connection, and why (a `Silence`)
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from terminals.sip.exchange import Silence
from terminals.sip.hop import Hop, Transport, bracketed
from terminals.sip.message import LONGEST_HEAD, Framing, Malformed, Sender

logger = logging.getLogger(__name__)

CONNECT_WITHIN = 10.0
"""Seconds for the name, the connection and its handshake."""
MOST_IDLE = 64
"""Connections that are kept though nothing is awaited over them; telephones reached directly have one each."""

_BUFFER = 4 * 1024 * 1024  # octets; the system may grant less
_AT_A_TIME = 512  # datagrams
_LONGEST_DATAGRAM = LONGEST_HEAD + 1  # what is cut off here is found to be too long

Address = tuple[Any, ...]


class Unreached(Exception):
    def __init__(self, silence: Silence, detail: object) -> None:
        super().__init__(f"{silence}: {detail}")
        self.silence = silence


class Channel(Protocol):
    """A way to one next hop on which requests go out and answers come in, from `address`."""

    hop: Hop
    address: str
    reliable: bool

    @property
    def is_open(self) -> bool: ...

    def sender(self) -> Sender:
        """How requests on this channel name us. Raises OSError where there is no route."""
        ...

    def write(self, octets: bytes) -> None:
        """Raises OSError."""
        ...


class Receiver(Protocol):
    """What connections tell. `source` is a datagram's IP address; over a connection it is the next hop's own."""

    def received(self, octets: bytes, source: str) -> None: ...
    def unreadable(self, error: Malformed) -> None: ...
    def lost(self, channel: Channel) -> None: ...


class DatagramSocket:
    """The one UDP socket of a family for all next hops.

    It is read here and not by a transport of asyncio's: that wakes up for each datagram, this for as many as are there.
    """

    def __init__(self, family: int, local: str | None, received: Callable[[bytes, str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = received
        self._local = local
        self._senders: dict[str, Sender] = {}
        self._unsent: deque[tuple[bytes, Address]] = deque()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.settimeout(0)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            self._socket.bind((local or ("::" if family == socket.AF_INET6 else "0.0.0.0"), 0))  # noqa: S104 - it only hears answers
        except OSError:
            self._socket.close()
            raise
        self._port = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._read)

    def write(self, octets: bytes, address: Address) -> None:
        if self._unsent:
            self._unsent.append((octets, address))
            return
        try:
            self._socket.sendto(octets, address)
        except BlockingIOError:
            self._unsent.append((octets, address))
            self._loop.add_writer(self._socket, self._write_unsent)

    def sender(self, address: Address) -> Sender:
        """With rport the answer comes back to this socket anyhow, so one of our addresses per neighbouring ones will do."""
        host = address[0]
        network = host if ":" in host else host.rpartition(".")[0]
        sender = self._senders.get(network)
        if sender is None:
            own = self._local or _own_address(self._socket.family, address)
            sender = self._senders[network] = Sender("UDP", f"{bracketed(own)}:{self._port}")
        return sender

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _read(self) -> None:
        for _ in range(_AT_A_TIME):
            try:
                octets, source = self._socket.recvfrom(_LONGEST_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                logger.debug("UDP: %s", error)
                return
            self._received(octets, _without_scope(source[0]))

    def _write_unsent(self) -> None:
        while self._unsent:
            try:
                self._socket.sendto(*self._unsent[0])
            except BlockingIOError:
                return
            except OSError as error:
                # As lost on the way: it is repeated, and what never gets out is never answered.
                logger.debug("UDP: %s", error)
            self._unsent.popleft()
        self._loop.remove_writer(self._socket)


class DatagramChannel:
    """UDP to one address."""

    __slots__ = ("_address", "_socket", "address", "hop")
    reliable = False
    is_open = True

    def __init__(self, hop: Hop, sockets: DatagramSocket, address: Address) -> None:
        self.hop = hop
        self.address = _without_scope(address[0])
        self._socket, self._address = sockets, address

    def sender(self) -> Sender:
        return self._socket.sender(self._address)

    def write(self, octets: bytes) -> None:
        self._socket.write(octets, self._address)


class StreamChannel(asyncio.Protocol):
    """A TCP or TLS connection, shared by all requests to its next hop. `awaited`: the answers that are yet to come."""

    reliable = True
    _transport: asyncio.Transport

    def __init__(self, hop: Hop, receiver: Receiver) -> None:
        self.hop = hop
        self.address = hop.host
        self.awaited = 0
        self._receiver = receiver
        self._framing = Framing()
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
        except Malformed as error:
            # Where one message ends is not known any more, nor where the next one begins.
            self._receiver.unreadable(error)
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closed:
            self._receiver.lost(self)

    def sender(self) -> Sender:
        host, port = self._transport.get_extra_info("sockname")[:2]
        transport = self.hop.transport
        return Sender(transport.upper(), f"{bracketed(_without_scope(host))}:{port}", f";transport={transport}")

    def write(self, octets: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionError("the connection is closing")
        self.awaited += 1
        self._transport.write(octets)

    def close(self) -> None:
        self._closed = True
        self._transport.abort()


class Connections:
    """All sockets of one sending. `local`: the source address, where it is not for the system to choose."""

    def __init__(self, receiver: Receiver, *, tls: ssl.SSLContext | None, local: str | None) -> None:
        self._receiver = receiver
        self._tls = tls
        self._local = local
        self._sockets: dict[int, DatagramSocket] = {}
        self._channels: dict[Hop, DatagramChannel | StreamChannel] = {}

    def at_hand(self, hop: Hop) -> DatagramChannel | StreamChannel | None:
        """The channel to a hop where nothing is to be waited for: UDP to an address, or what is open already."""
        if hop.transport is Transport.UDP and (literal := _read_address(hop.host)):
            family, host = literal
            return DatagramChannel(hop, self._socket(family), (host, hop.port))
        channel = self._channels.get(hop)
        return channel if channel and channel.is_open else None

    async def open(self, hop: Hop) -> DatagramChannel | StreamChannel:
        """Look the name up and connect. Raises Unreached."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                if hop.transport is Transport.UDP:
                    self._channels[hop] = await self._look_up(hop)
                else:
                    self._channels[hop] = await self._connect(hop)
        except TimeoutError as error:
            raise Unreached(Silence.TIMEOUT, error) from error
        except (socket.gaierror, UnicodeError) as error:
            raise Unreached(Silence.UNRESOLVED, error) from error
        except ssl.CertificateError as error:
            raise Unreached(Silence.UNTRUSTED, error) from error
        except OSError as error:
            raise Unreached(Silence.UNREACHABLE, error) from error
        return self._channels[hop]

    def forget(self, channel: Channel) -> None:
        """It is lost: the next request opens another one."""
        if self._channels.get(channel.hop) is channel:
            del self._channels[channel.hop]

    def answered(self, channel: Channel) -> None:
        """One answer less is awaited on it."""
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
        found = await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        return DatagramChannel(hop, self._socket(family), address)

    async def _connect(self, hop: Hop) -> StreamChannel:
        secure = hop.transport is Transport.TLS
        _, channel = await asyncio.get_running_loop().create_connection(
            lambda: StreamChannel(hop, self._receiver),
            hop.host,
            hop.port,
            ssl=self._tls if secure else None,
            server_hostname=hop.host if secure else None,
            local_addr=(self._local, 0) if self._local else None,
        )
        return channel

    def _socket(self, family: int) -> DatagramSocket:
        if family not in self._sockets:
            self._sockets[family] = DatagramSocket(family, self._local, self._receiver.received)
        return self._sockets[family]


def _read_address(host: str) -> tuple[int, str] | None:
    """The family of an IP address, and the address as the system writes it; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return family, socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, UnicodeError):
            continue
    return None


def _own_address(family: int, towards: Address) -> str:
    """Which of our addresses the system would take; nothing is sent. Raises OSError."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(towards)
        return _without_scope(probe.getsockname()[0])


def _without_scope(address: str) -> str:
    return address.partition("%")[0]
