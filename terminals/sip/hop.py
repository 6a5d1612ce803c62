"""Where a request is sent to."""

import enum
from dataclasses import dataclass

from pbxcerts.system.network.endpoint import LAST_PORT, Endpoint
from terminals.sip.errors import InvalidNotify


class Transport(enum.StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Hop(Endpoint):
    """The next hop: an endpoint and the transport to it.

    A name is looked up for addresses only: the port is always known, so RFC 3263 asks for neither NAPTR nor SRV.
    Raises InvalidNotify where there is no host, or no port.
    """

    transport: Transport = Transport.UDP

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port <= LAST_PORT:
            raise InvalidNotify(f"not a next hop: {self}")
