"""Names of two addresses on loopback, one of each family, where a test says what is behind each."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass

REAL = socket.getaddrinfo


@dataclass
class TwoAddresses:
    """`hosts` in the order in which the resolver gives them; the same port is free at both."""

    hosts: tuple[str, str]
    stack: ExitStack
    port: int = 0

    def __post_init__(self) -> None:
        if self.port:
            return
        for _ in range(50):
            with self._socket(self.hosts[0], 0, socket.SOCK_STREAM) as one:
                port = one.getsockname()[1]
                try:
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        self._socket(self.hosts[1], port, kind).close()
                    self._socket(self.hosts[0], port, socket.SOCK_DGRAM).close()
                except OSError:
                    continue
            self.port = port
            return
        raise RuntimeError("no port is free at both addresses")

    def listeners(self, *, dead: bool) -> tuple[socket.socket | None, socket.socket]:
        """Listening sockets; where the first is `dead` it takes no connection."""
        first = None if dead else self._listening(self.hosts[0])
        self._second = self._listening(self.hosts[1])
        return first, self._second

    def close_second(self) -> None:
        """Make room for another server behind the second address."""
        self._second.close()

    def datagrams(self, number: int) -> socket.socket:
        """A UDP socket at one of the addresses."""
        return self.stack.enter_context(self._socket(self.hosts[number], self.port, socket.SOCK_DGRAM))

    def nobody(self) -> None:
        """Nothing is behind either address."""

    def found(self, port: int, kind: int) -> list[tuple[object, ...]]:
        return [entry for host in self.hosts for entry in REAL(host, port, type=kind)]

    def _listening(self, host: str) -> socket.socket:
        listening = self.stack.enter_context(self._socket(host, self.port, socket.SOCK_STREAM))
        listening.listen()
        return listening

    @staticmethod
    def _socket(host: str, port: int, kind: int) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, port))
        except OSError:
            made.close()
            raise
        return made
