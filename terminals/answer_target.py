"""Where the answer to a digest challenge goes that is made with a stored password, and which changes would let it go elsewhere
(rule kept-password).

Nobody reads a stored password. But whoever chooses who asks for it, and for which realm, gets an answer in which it can be
found by trying passwords, without asking again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pbxcerts.system.models import General
from pbxcerts.system.network.endpoint import Endpoint, EndpointError
from terminals.models import DeliverySettings, NotifyWays, Terminal, Transports

SIP_PORTS = {Transports.UDP: 5060, Transports.TCP: 5060, Transports.TLS: 5061}
SAID_OF_TERMINAL = ("number", "address", "transport", "way", "sip_user", "sip_realm")
"""What of a terminal decides where its answers go, beside its type."""


@dataclass(frozen=True)
class NotifyServer:
    """The communication server as NOTIFYs are sent to it. `host` and `domain` are empty where nothing says them."""

    host: str
    port: int
    transport: str
    domain: str

    @classmethod
    def of(cls, delivery: DeliverySettings, general: General) -> Self:
        host = delivery.proxy_host or general.fqdn or next(iter(general.ip_addresses), "")
        return cls(host, delivery.proxy_port, str(delivery.proxy_transport), delivery.sip_domain or host)

    @classmethod
    def now(cls) -> Self:
        return cls.of(DeliverySettings.load(), General.load())

    @property
    def endpoint(self) -> tuple[str, int, str]:
        return self.host, self.port, self.transport

    @property
    def proves_itself(self) -> bool:
        """Whether nobody else can take its place on a connection to it (rule server-trusted)."""
        return self.transport == Transports.TLS


@dataclass(frozen=True)
class AnswerTarget:
    """Who gets a terminal's answers, and for which realm. `place`: the terminal's own, used where the way is straight to it."""

    number: str
    user: str
    realm: str
    way: str
    place: tuple[str, ...]

    @classmethod
    def of(cls, said: Mapping[str, Any], *, way_of_type: str, server: NotifyServer) -> Self:
        """`said`: the values of SAID_OF_TERMINAL."""
        return cls(
            number=said["number"],
            user=said["sip_user"] or said["number"],
            realm=said["sip_realm"] or server.domain,
            way=said["way"] or way_of_type,
            place=_place(said["address"], said["transport"]),
        )

    @classmethod
    def of_terminal(cls, terminal: Terminal, server: NotifyServer) -> Self:
        said = {name: getattr(terminal, name) for name in SAID_OF_TERMINAL}
        return cls.of(said, way_of_type=terminal.type.way, server=server)

    def lets_password_go(self, before: AnswerTarget) -> bool:
        """Whether an answer would go elsewhere than it went before.

        Through the communication server its number leads to the terminal, straight to it its address does. So a new address
        lets nothing go where the way is through the server, and what was entered for one way is none for the other.
        """
        if (self.number, self.user, self.realm) != (before.number, before.user, before.realm):
            return True
        return self.way == NotifyWays.DIRECT and (self.way, self.place) != (before.way, before.place)


def _place(address: str, transport: str) -> tuple[str, ...]:
    try:
        return (str(Endpoint.parse(address, default_port=SIP_PORTS[Transports(transport)])), transport)
    except EndpointError:
        return (address, transport)
