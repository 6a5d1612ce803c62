"""Where a service is reached: a host and a port, as settings, forms and files write them.

EndpointError   a text is no endpoint, and which part of it is wrong (an `EndpointFault`)

Pure, and of the standard library alone: the agent reads its configuration with it (rule agent-alone).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from ipaddress import IPv6Address

LAST_PORT = 65_535

_IN_BRACKETS = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,5}")


class EndpointFault(enum.StrEnum):
    EMPTY = "empty"
    HOST = "host"
    PORT_MISSING = "port_missing"
    PORT = "port"


_SENTENCES = {
    EndpointFault.EMPTY: "%r is empty",
    EndpointFault.HOST: "%r does not begin with a name or an address",
    EndpointFault.PORT_MISSING: "%r has no port",
    EndpointFault.PORT: "%r has a port that is none",
}


class EndpointError(ValueError):
    def __init__(self, fault: EndpointFault, text: str) -> None:
        super().__init__(_SENTENCES[fault] % text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A name or an IP address (IPv6 without brackets), and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = None, least_port: int = 1) -> Endpoint:
        """Read `host:port`; an IPv6 address in front of a port stands in brackets (RFC 3986 section 3.2.2).

        With a `default_port` the port may be missing. A listener's `least_port` is 0: any port that is free. What the
        brackets hold must be an IPv6 address; whether another host can have its name is for the caller to judge.
        Raises EndpointError.
        """
        stripped = text.strip()
        if not stripped:
            raise EndpointError(EndpointFault.EMPTY, text)
        host, port = _host_and_port(stripped)
        if port is None:
            if default_port is None:
                raise EndpointError(EndpointFault.PORT_MISSING, text)
            return cls(host, default_port)
        if not (_PORT.fullmatch(port) and least_port <= int(port) <= LAST_PORT):
            raise EndpointError(EndpointFault.PORT, text)
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """A host as it stands in front of a port, and in a URI: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _host_and_port(text: str) -> tuple[str, str | None]:
    """Take a text apart, whose port is not judged yet. Raises EndpointError."""
    if parts := _IN_BRACKETS.fullmatch(text):
        return _ipv6(parts[1], text), parts[2]
    if text.count(":") > 1:
        return _ipv6(text, text), None
    host, colon, port = text.partition(":")
    if not host or "[" in host or "]" in host:
        raise EndpointError(EndpointFault.HOST, text)
    return host, port if colon else None


def _ipv6(host: str, text: str) -> str:
    try:
        return str(IPv6Address(host))
    except ValueError:
        raise EndpointError(EndpointFault.HOST, text) from None
