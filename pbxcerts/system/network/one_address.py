"""What counts as one address, wherever something is limited, counted or proved by who asks (rule one-address). Pure."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_ONE_HOST = 64
"""Bits of an IPv6 address that stay: the rest of it a host chooses and changes by itself (RFC 8981, privacy addresses)."""


@lru_cache(maxsize=65_536)
def parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Without the interface that a link-local address may name, and as IPv4 where it is one within IPv6 (RFC 4291)."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


@lru_cache(maxsize=65_536)
def source_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 address. What is no IP address is itself."""
    found = parsed(address)
    if found is None:
        return address[:64]
    if found.version == 4:
        return str(found)
    return str(ip_network((found, _ONE_HOST), strict=False))
