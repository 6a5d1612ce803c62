"""The door of a listener: whoever connects gets a place before anything else happens (rule places-of-a-listener).

The socket is accepted here and not by the event loop's own server, which would tell of a TLS connection only once its handshake is
over: one that never ends would not count. While all places are taken, whoever comes waits in the kernel's queue.
"""

import asyncio
import ctypes
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from pbxcerts.processes.listeners.places import Place, Places
from pbxcerts.processes.listeners.plain_transport import PlainTransport

HANDSHAKE_WITHIN = 20
GOODBYE_WITHIN = 10
"""Seconds for the end of a TLS connection that we close (close_notify)."""
HIGH_WATER = 16 * 1024
"""Octets that wait for a client, or from it, above which nothing more is read from it."""
AGAIN_AFTER = 0.1
"""Seconds between two looks whether a place is free, while all are taken."""

RECORD = 16 * 1024
"""Octets that one record of TLS may hold (RFC 8446 section 5.1); as many of a connection are given on at once."""

NO_ADDRESS = struct.pack("=H14x", socket.AF_UNSPEC)

_connect = ctypes.CDLL(None).connect
"""Python's own takes no address without a family."""

logger = logging.getLogger("pbxcerts.web")


class Door:
    """Lets clients of one listening socket in. `made` makes what speaks with a client, an asyncio protocol that is given its
    `place` and gives it back when it has lost its connection. `context` is asked for each client; None is a connection without
    TLS. `a_round`: how many are accepted in one round of the event loop. What the kernel keeps of a client, its listener bounds
    (`pbxcerts.processes.listeners.client_buffers`).
    """

    def __init__(
        self,
        listener: socket.socket,
        places: Places,
        made: Callable[[], Any],
        *,
        context: Callable[[], ssl.SSLContext | None],
        a_round: int,
    ) -> None:
        self._listener = listener
        self._places = places
        self._made = made
        self._context = context
        self._a_round = a_round
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._received = memoryview(bytearray(RECORD))
        # Only these references keep the tasks alive.
        self._arriving: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        self._listener.setblocking(False)  # noqa: FBT003 - its only argument
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Let nobody in any more. Those whose connection is not made yet are sent away."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        for arriving in self._arriving:
            arriving.cancel()

    def _accept(self) -> None:
        for _ in range(self._a_round):
            if self._places.are_taken:
                # Somebody may have had his time: whoever comes behind a crowd that says nothing need not wait for each of it.
                self._places.make_room()
                if self._places.are_taken:
                    self._wait()
                    return
            try:
                client, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # No descriptor or no memory is left: it may be so for a while.
                logger.warning("A connection cannot be accepted: %s", error)
                self._wait()
                return
            self._let_in(client, address)

    def _wait(self) -> None:
        self._loop.remove_reader(self._listener)
        self._again = self._loop.call_later(AGAIN_AFTER, self._look_again)

    def _look_again(self) -> None:
        self._places.make_room()
        if self._places.are_taken:
            self._again = self._loop.call_later(AGAIN_AFTER, self._look_again)
        else:
            self._again = None
            self._loop.add_reader(self._listener, self._accept)

    def _let_in(self, client: socket.socket, address: tuple[Any, ...]) -> None:
        place = self._places.enter(address[0])
        if place is None:
            client.close()
            return
        made = self._made()
        made.place = place
        context = self._context()
        if context is None:
            transport = PlainTransport(self._loop, client, address, made, high_water=HIGH_WATER)
            place.end = partial(cut_off, transport)
            transport.begin()
            return
        client.setblocking(False)  # noqa: FBT003 - its only argument
        arriving = self._loop.create_task(self._arrive(client, place, made, context))
        place.end = arriving.cancel
        self._arriving.add(arriving)
        arriving.add_done_callback(partial(self._arrived, client, place))

    def _arrived(self, client: socket.socket, place: Place, arriving: asyncio.Task[None]) -> None:
        self._arriving.discard(arriving)
        if arriving.cancelled():
            # Maybe before it had begun.
            place.leave()
            client.close()

    async def _arrive(self, client: socket.socket, place: Place, made: Any, context: ssl.SSLContext) -> None:
        try:
            transport, _protocol = await self._loop.connect_accepted_socket(
                lambda: OneBuffer(made, self._received),
                client,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_WITHIN,
                ssl_shutdown_timeout=GOODBYE_WITHIN,
            )
        except OSError:
            # The client speaks no TLS, or another one, or is too slow, or has gone.
            place.leave()
        else:
            place.end = partial(cut_off, transport)
            transport.set_write_buffer_limits(high=HIGH_WATER)
            # The type does not know it, the transports of every event loop do.
            cast("Any", transport).set_read_buffer_limits(high=HIGH_WATER)


class OneBuffer(asyncio.BufferedProtocol):
    """Gives `made` what a TLS connection receives, as octets of its own.

    For an asyncio.Protocol uvloop takes 256 KiB for each read, which the system has to give and take back each time. A
    BufferedProtocol says into what is read. As nothing else happens in an event loop between `get_buffer` and `buffer_updated`,
    all connections of a loop may say the same `buffer`; what does not fit into it comes in the next round.
    """

    def __init__(self, made: Any, buffer: memoryview) -> None:
        self._made = made
        self._buffer = buffer

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._made.data_received(bytes(self._buffer[:nbytes]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._made.connection_lost(exc)
        # uvloop's transport keeps this object, and what was made the transport: they would stay, with all that TLS has, until Python
        # looks for such circles.
        self._made = None

    def eof_received(self) -> None:
        self._made.eof_received()

    def pause_writing(self) -> None:
        self._made.pause_writing()

    def resume_writing(self) -> None:
        self._made.resume_writing()


def cut_off(transport: asyncio.Transport) -> None:
    """End a connection with all that is left of it, in the kernel too, which else would offer it for minutes, and for as long as somebody
    keeps a descriptor of it: Linux resets what is connected to no address (connect(2)).
    """
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        _connect(connection.fileno(), NO_ADDRESS, len(NO_ADDRESS))
    transport.abort()
