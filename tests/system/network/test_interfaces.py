import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from pbxcerts.system.network import interfaces

LINES = """\
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
20010db8000000000000000000000001 04 40 00 80     eth0
20010db8000000000000000000000002 04 40 00 01     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def record(name: str, address: str, family: int = socket.AF_INET) -> bytes:
    return name.encode().ljust(16, b"\0") + struct.pack("=HH", family, 0) + IPv4Address(address).packed + bytes(16)


def test_it_reads_ipv6_addresses_and_their_flags():
    found = interfaces.parse_if_inet6(LINES)
    assert found[1] == (IPv6Address("2001:db8::1"), 0x80)
    assert len(found) == 4


def test_it_reads_ipv4_addresses_and_leaves_out_other_families():
    data = record("lo", "127.0.0.1") + record("x", "192.0.2.9", socket.AF_PACKET) + record("eth0", "192.0.2.1")
    assert interfaces.parse_ifconf(data) == [IPv4Address("127.0.0.1"), IPv4Address("192.0.2.1")]


def test_this_machine_has_its_loopback_address():
    assert "127.0.0.1" in interfaces.interface_addresses()


def test_it_offers_no_address_that_leads_others_nowhere(tmp_path, monkeypatch):
    # The kernel's file has no other seam than its path.
    file = tmp_path / "if_inet6"
    file.write_text(LINES)
    monkeypatch.setattr(interfaces, "IF_INET6", file)
    offered = interfaces.offered_addresses()
    assert "2001:db8::1" in offered
    assert not {"127.0.0.1", "::1", "fe80::fc:ff:fe00:1", "2001:db8::2"} & set(offered)
    assert {"::1", "2001:db8::2"} <= interfaces.interface_addresses()


def test_a_kernel_without_ipv6_has_ipv4_all_the_same(tmp_path, monkeypatch):
    # As above.
    monkeypatch.setattr(interfaces, "IF_INET6", tmp_path / "missing")
    assert "127.0.0.1" in interfaces.interface_addresses()
