"""This machine's name and the addresses on its interfaces, as Linux tells them."""

import array
import fcntl
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

IF_INET6 = Path("/proc/net/if_inet6")
# linux/sockios.h, linux/if_addr.h; the size of struct ifreq where a long has 64 bits
SIOCGIFCONF = 0x8912
IFA_F_TEMPORARY = 0x01
IFA_F_DEPRECATED = 0x20
IFA_F_TENTATIVE = 0x40
IFREQ = 40


def interface_addresses() -> frozenset[str]:
    """Every address on an interface that is up, in its shortest spelling. Raises OSError where the system tells none."""
    return frozenset(map(str, [*_ipv4_addresses(), *(address for address, _flags in _ipv6_addresses())]))


def offered_addresses() -> list[str]:
    """The addresses under which other machines can reach this one: no loopback, no link-local, no temporary address."""
    passing = IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE
    found: list[IPv4Address | IPv6Address] = [
        *sorted(_ipv4_addresses()),
        *sorted(address for address, flags in _ipv6_addresses() if not flags & passing),
    ]
    return [str(address) for address in dict.fromkeys(found) if not (address.is_loopback or address.is_link_local)]


def host_name() -> str:
    """The name of this machine; "" where it has only the name localhost."""
    name = socket.gethostname().strip().lower()
    return "" if name in {"localhost", "localhost.localdomain"} else name


def parse_if_inet6(text: str) -> list[tuple[IPv6Address, int]]:
    """Addresses and their flags from the lines of /proc/net/if_inet6: address, index, prefix, scope, flags, name."""
    lines = [line.split() for line in text.splitlines()]
    return [(IPv6Address(int(line[0], 16)), int(line[4], 16)) for line in lines if len(line) >= 6]


def parse_ifconf(data: bytes) -> list[IPv4Address]:
    """Addresses from an array of struct ifreq: a name of 16 bytes, then a sockaddr_in."""
    records = [data[start : start + IFREQ] for start in range(0, len(data) - IFREQ + 1, IFREQ)]
    return [
        IPv4Address(record[20:24]) for record in records if struct.unpack_from("=H", record, 16)[0] == socket.AF_INET
    ]


def _ipv4_addresses() -> list[IPv4Address]:
    """SIOCGIFCONF (netdevice(7)); the kernel fills what fits, so the room is doubled until some is left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        room = 32 * IFREQ
        while True:
            records = array.array("B", bytes(room))
            pointer, _length = records.buffer_info()
            filled = fcntl.ioctl(asker.fileno(), SIOCGIFCONF, struct.pack("iP", room, pointer))
            used: int = struct.unpack("iP", filled)[0]
            if used < room:
                return parse_ifconf(records.tobytes()[:used])
            room *= 2


def _ipv6_addresses() -> list[tuple[IPv6Address, int]]:
    try:
        return parse_if_inet6(IF_INET6.read_text())
    except FileNotFoundError:
        # The kernel runs without IPv6.
        return []
