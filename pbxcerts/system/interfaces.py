"""The seam to this machine's network: which addresses are on its interfaces?"""

import array
import fcntl
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

SIOCGIFCONF = 0x8912
IFREQ_SIZE = 40  # struct ifreq of a 64-bit Linux
MOST_INTERFACES = 512


def interface_addresses() -> list[str]:
    """The IPv4 and IPv6 addresses of all interfaces that are up, loopback last; link-local ones serve no telephone."""
    found: list[IPv4Address | IPv6Address] = [*_ipv4(), *_ipv6()]
    usable = [address for address in dict.fromkeys(found) if not address.is_link_local]
    return [str(address) for address in sorted(usable, key=lambda address: address.is_loopback)]


def _ipv4() -> list[IPv4Address]:
    """netdevice(7): the kernel fills an array of struct ifreq, the address at byte 20 of each."""
    buffer = array.array("B", bytes(MOST_INTERFACES * IFREQ_SIZE))
    place, length = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe, SIOCGIFCONF, struct.pack("iL", length, place))
    (filled, _) = struct.unpack("iL", answer)
    rows = buffer.tobytes()[:filled]
    return [IPv4Address(rows[start + 20 : start + 24]) for start in range(0, filled, IFREQ_SIZE)]


def _ipv6() -> list[IPv6Address]:
    with suppress(OSError):
        return [IPv6Address(int(line.split()[0], 16)) for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    return []
