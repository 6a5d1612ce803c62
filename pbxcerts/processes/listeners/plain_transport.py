"""A connection without TLS, as an asyncio transport made for clients that ask once.

What has come by the time the client is accepted is read at once, what is answered to it goes with one call, and the end of the
connection in the same segment. The answers of one round of the event loop go together at its end: on a machine with few cores each
would wake somebody who takes the core away from the next one. The event loop's own transports need a task and a future before they
read, and close the socket behind them, so that whoever asks later whether a response has arrived needs a descriptor of his own. With
ten thousand telephones that take a file each over a connection of their own that was half of what a file costs.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

RECEIVED_AT_ONCE = 8 * 1024
"""Octets. Python takes as many for each read: of 16 KiB and more malloc would map pages of their own, and give them back
(`pbxcerts.processes.memory.LARGE`).
"""
AND_THE_END = socket.MSG_DONTWAIT | socket.MSG_MORE
NOBODY = asyncio.Protocol()
"""Does nothing, whatever it is told."""


class PlainTransport(asyncio.Transport):
    """`client` is an accepted socket, and its address; it is closed when the connection is over and nobody keeps it. `high_water`: octets
    that wait for the client above which the protocol is told to pause.
    """

    # What most connections never change.
    _is_collecting = False
    _watches = False
    _is_paused = False
    _is_closing = False
    _is_broken = False
    _is_aborted = False
    _is_lost = False
    _is_full = False
    _awaits_room = False
    _keepers = 0
    octets_written = 0

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        client: socket.socket,
        address: tuple[Any, ...],
        protocol: asyncio.Protocol,
        *,
        high_water: int,
    ) -> None:
        self._loop = loop
        self._socket = client
        self._address = address
        self._protocol = protocol
        self._high_water = high_water
        self._unsent = bytearray()

    def begin(self) -> None:
        """Tell the protocol of its connection, and what its client has sent until now."""
        self._tell(self._protocol.connection_made, self)
        self._read()

    # -- asyncio.Transport -------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "socket":
                return self._socket
            case "shared_socket":
                # For whoever keeps it (`keep`, `let_go`, `octets_written`).
                return self
            case "peername":
                return self._address
            case "sockname":
                return self._socket.getsockname()
            case _:
                return default

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not (self._is_paused or self._is_closing)

    def pause_reading(self) -> None:
        self._is_paused = True
        if self._watches:
            self._stop_watching()

    def resume_reading(self) -> None:
        self._is_paused = False
        self._watch()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing:
            return
        self.octets_written += len(data)
        self._unsent += data
        if self._awaits_room:
            self._tell_how_much_waits()
        elif not self._is_collecting:
            self._send()

    def close(self) -> None:
        """Take nothing more, and end the connection once what was written is on its way."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._watches:
            self._stop_watching()
        if not (self._unsent or self._is_collecting):
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """End the connection, whatever waits, and whoever keeps its socket: no more of them are open than there are places."""
        self._is_aborted = True
        self._break(None)
        if self._is_lost:
            self._socket.close()

    # -- what asyncio does not know ----------------------------------------------------------------------------------

    def keep(self) -> socket.socket:
        """Its socket, which stays open until it is `let_go` too, unless the connection is aborted; so the system can be asked of it
        after the connection.
        """
        self._keepers += 1
        return self._socket

    def let_go(self) -> None:
        self._keepers -= 1
        if self._is_lost and not self._keepers:
            self._socket.close()

    # -- the socket --------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if not (self._watches or self._is_paused or self._is_closing):
            self._watches = True
            self._loop.add_reader(self._socket, self._read)

    def _stop_watching(self) -> None:
        self._watches = False
        self._loop.remove_reader(self._socket)

    def _read(self) -> None:
        if self._is_paused or self._is_closing:
            return
        try:
            data = self._socket.recv(RECEIVED_AT_ONCE, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            self._watch()
            return
        except OSError as error:
            self._break(error)
            return
        self._is_collecting = True
        if data:
            self._tell(self._protocol.data_received, data)
        else:
            self._tell(self._protocol.eof_received)
            self.close()
        if self._unsent:
            self._loop.call_soon(self._send_collected)
        else:
            self._send_collected()

    def _send_collected(self) -> None:
        """What was written in this round, and go on."""
        self._is_collecting = False
        if self._is_broken:
            return
        if self._unsent and not self._awaits_room:
            self._send()
        elif self._is_closing and not self._unsent:
            self._lose(None)
        else:
            self._watch()

    def _tell(self, told: Callable[..., object], *said: object) -> None:
        try:
            told(*said)
        except Exception as error:  # noqa: BLE001 - of one connection, whatever it is
            about = {"message": "A protocol failed.", "exception": error, "transport": self, "protocol": self._protocol}
            self._loop.call_exception_handler(about)
            self._break(error)

    def _send(self) -> None:
        """As much as the system takes; if that is all that ever will be, the end goes in the same segment."""
        try:
            sent = self._socket.send(self._unsent, AND_THE_END if self._is_closing else socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._break(error)
            return
        del self._unsent[:sent]
        if self._unsent and not self._awaits_room:
            self._awaits_room = True
            self._loop.add_writer(self._socket, self._send)
        elif self._awaits_room and not self._unsent:
            self._stop_awaiting_room()
        if self._unsent or not self._is_closing:
            self._tell_how_much_waits()
            self._watch()
        else:
            self._lose(None)

    def _stop_awaiting_room(self) -> None:
        self._awaits_room = False
        self._loop.remove_writer(self._socket)

    def _tell_how_much_waits(self) -> None:
        """Whether more waits for the client than may, or less than a quarter of that again."""
        if not self._is_full and len(self._unsent) > self._high_water:
            self._is_full = True
            self._protocol.pause_writing()
        elif self._is_full and len(self._unsent) <= self._high_water // 4:
            self._is_full = False
            self._protocol.resume_writing()

    def _break(self, error: Exception | None) -> None:
        """Nothing that was written and is not on its way yet will be."""
        if self._is_lost:
            return
        self._is_closing = self._is_broken = True
        if self._watches:
            self._stop_watching()
        if self._awaits_room:
            self._stop_awaiting_room()
        self._unsent.clear()
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        # Each would keep the other until Python looks for such circles.
        protocol, self._protocol = self._protocol, NOBODY
        try:
            protocol.connection_lost(error)
        finally:
            self._end_the_socket()

    def _end_the_socket(self) -> None:
        if not self._is_broken:
            # The response goes before its end, also where what the client sent is left unread, which makes a reset of a close.
            try:  # noqa: SIM105 - a context manager costs more than the call
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                # The client has gone already.
                pass
        if self._is_aborted or not self._keepers:
            self._socket.close()
