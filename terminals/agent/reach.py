"""Make a connection to a name at any of its addresses (rule agent-connections)."""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable, Iterable
from socket import SOCK_STREAM
from typing import TypeVar

from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent.errors import AgentError, ServerUnreached, ServerUntrusted

CONNECT_WITHIN = 10.0
"""Seconds for all addresses of a name together, the look-up and TLS included."""

_NOT_YET_VALID, _HAS_ENDED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED

T = TypeVar("T")


async def reach(endpoint: Endpoint, connect: Callable[[str], Awaitable[T]]) -> T:
    """The connection that `connect` makes with the first address that takes it. Each address gets an equal part of the
    time that is left. Raises ServerUntrusted where one presented a certificate that is not trusted, else
    ServerUnreached.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + CONNECT_WITHIN
    failures: list[AgentError] = []
    try:
        async with asyncio.timeout_at(until):
            addresses = await _addresses(endpoint)
        for tried, address in enumerate(addresses):
            share = (until - loop.time()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    return await connect(address)
            except (OSError, UnicodeError) as error:
                failures.append(_failure(endpoint, error))
    except (OSError, UnicodeError) as error:
        raise _failure(endpoint, error) from error
    raise next((one for one in failures if isinstance(one, ServerUntrusted)), failures[0])


async def _addresses(endpoint: Endpoint) -> list[str]:
    """The addresses of the host, at least one. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(endpoint.host, endpoint.port, type=SOCK_STREAM)
    # A link-local address is reached by its zone only.
    return by_turns(f"{at[0]}%{at[3]}" if len(at) > 3 and at[3] else str(at[0]) for *_, at in found)


def by_turns(addresses: Iterable[str]) -> list[str]:
    """IPv6 and IPv4 by turns, beginning with the kind that stands first (RFC 8305 section 4); each address once."""
    once = list(dict.fromkeys(addresses))
    kinds: dict[bool, list[str]] = {}
    for address in once:
        kinds.setdefault(":" in address, []).append(address)
    return [one for turn in itertools.zip_longest(*kinds.values()) for one in turn if one is not None]


def _failure(endpoint: Endpoint, error: Exception) -> AgentError:
    if isinstance(error, TimeoutError):
        return ServerUnreached(f"{endpoint} took no connection within {CONNECT_WITHIN:.0f} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerUntrusted(f"{endpoint} is not trusted: {_reason(error)}")
    return ServerUnreached(f"{endpoint} cannot be reached: {error}")


def _reason(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _HAS_ENDED:
        return "its certificate has ended, or this machine's clock is ahead"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet: this machine's clock is behind"
    return error.verify_message
