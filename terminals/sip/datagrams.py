"""UDP: one socket of each family, and the way over it to one address."""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pbxcerts.system.network.addresses import SocketAddress
from pbxcerts.system.network.endpoint import Endpoint
from terminals.sip.hop import Hop
from terminals.sip.message import LONGEST_HEAD, SentBy

logger = logging.getLogger(__name__)

_BUFFER = 4 * 1024 * 1024  # octets; the system may grant less
_AT_A_TIME = 512  # datagrams
_LONGEST_DATAGRAM = LONGEST_HEAD + 1  # what is cut off here is found to be too long


class DatagramSocket:
    """The one UDP socket of a family for all next hops.

    It is read here and not by a transport of asyncio's: that wakes up for each datagram, this for as many as are there.
    """

    def __init__(self, family: int, received: Callable[[bytes, str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = received
        self._senders: dict[str, SentBy] = {}
        self._unsent: deque[tuple[bytes, tuple[Any, ...]]] = deque()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.settimeout(0)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            self._socket.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104 - it only hears answers
        except OSError:
            self._socket.close()
            raise
        self._port = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._read)

    def write(self, octets: bytes, address: tuple[Any, ...]) -> None:
        if self._unsent:
            self._unsent.append((octets, address))
            return
        try:
            self._socket.sendto(octets, address)
        except BlockingIOError:
            self._unsent.append((octets, address))
            self._loop.add_writer(self._socket, self._write_unsent)

    def sender(self, address: tuple[Any, ...]) -> SentBy:
        """Our address towards this one. It is looked up once for each network: with rport responses find us anyhow."""
        host = address[0]
        network = host if ":" in host else host.rpartition(".")[0]
        sender = self._senders.get(network)
        if sender is None:
            own = _own_address(self._socket.family, address)
            sender = self._senders[network] = SentBy("UDP", str(Endpoint(own, self._port)))
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
            self._received(octets, without_scope(source[0]))

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
    """UDP to one address. `following`: the addresses of the same hop that are tried where this one says nothing
    (rule every-address).
    """

    __slots__ = ("_address", "_socket", "address", "following", "hop")
    reliable = False
    is_open = True

    def __init__(
        self, hop: Hop, sockets: DatagramSocket, address: tuple[Any, ...], following: Sequence[SocketAddress] = ()
    ) -> None:
        self.hop = hop
        self.address = without_scope(address[0])
        self.following = tuple(following)
        self._socket, self._address = sockets, address

    def sender(self) -> SentBy:
        return self._socket.sender(self._address)

    def write(self, octets: bytes) -> None:
        self._socket.write(octets, self._address)


def _own_address(family: int, towards: tuple[Any, ...]) -> str:
    """Which of our addresses the system would take; nothing is sent. Raises OSError."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(towards)
        return without_scope(probe.getsockname()[0])


def without_scope(address: str) -> str:
    return address.partition("%")[0]
