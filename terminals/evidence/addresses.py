"""The addresses of those who ask for files, and which networks are the telephones' own. Pure.

TelephoneNetworkError(fault)   a text is no network that can be named as the telephones' own
"""

import enum
import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from pbxcerts.system.network.one_address import parsed, source_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NETWORKS_AT_MOST = 64

_WIDEST = {4: 8, 6: 32}
_USUAL_NETWORK = 24
_SHARED = ipaddress.ip_network("100.64.0.0/10")
"""Addresses behind a provider's NAT (RFC 6598)."""
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class TelephoneNetworkFault(enum.StrEnum):
    SYNTAX = "syntax"
    HOST_BITS = "host_bits"
    TOO_WIDE = "too_wide"
    MULTICAST = "multicast"


class TelephoneNetworkError(ValueError):
    """`meant`: the network that was probably meant, "" where that is not clear."""

    def __init__(self, fault: TelephoneNetworkFault, meant: str = "") -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.meant = meant


def parse_network(text: str) -> str:
    """A network, or a single address, in its shortest spelling. Raises TelephoneNetworkError."""
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError:
        raise _wrong(text) from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        raise TelephoneNetworkError(TelephoneNetworkFault.SYNTAX)
    if network.is_multicast:
        raise TelephoneNetworkError(TelephoneNetworkFault.MULTICAST)
    if network.prefixlen < _WIDEST[network.version]:
        raise TelephoneNetworkError(TelephoneNetworkFault.TOO_WIDE)
    return str(network)


def _wrong(text: str) -> TelephoneNetworkError:
    try:
        meant = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return TelephoneNetworkError(TelephoneNetworkFault.SYNTAX)
    return TelephoneNetworkError(TelephoneNetworkFault.HOST_BITS, str(meant))


@lru_cache(maxsize=65_536)
def family_of(source: str) -> int:
    """4 or 6; 0 for what is no IP address."""
    try:
        return ipaddress.ip_network(source).version
    except ValueError:
        return 0


def same_address(one: str, other: str) -> bool:
    """Whether both are the same IP address, however each is spelled."""
    return one == other or ((found := parsed(one)) is not None and found == parsed(other))


def is_in(address: str, networks: Iterable[Network]) -> bool:
    found = parsed(address)
    return found is not None and any(found in network for network in networks)


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as they are stored; an entry that is none counts for nothing."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            continue
    return tuple(found)


def network_around(address: str) -> str:
    """The network that is offered where a person sees this address: with public IPv4 addresses, which the neighbours have from
    the same provider, the address alone. "" where it is no IP address.
    """
    found = parsed(address)
    if found is None:
        return ""
    if found.version == 6:
        return source_of(address)
    own = found.is_private or found in _SHARED
    return str(ipaddress.ip_network((found, _USUAL_NETWORK if own else 32), strict=False))
