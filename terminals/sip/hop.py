"""Where a request is sent to."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Transport(enum.StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Hop:
    """The next hop: a name or an IP address (IPv6 without brackets), a port, a transport.

    A name is looked up for addresses only: the port is always known, so RFC 3263 asks for neither NAPTR nor SRV.
    """

    host: str
    port: int
    transport: Transport = Transport.UDP

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65536:
            raise ValueError(f"not a next hop: {self.host}:{self.port}")


def bracketed(host: str) -> str:
    """An IPv6 address as it stands in front of a port."""
    return f"[{host}]" if ":" in host else host
