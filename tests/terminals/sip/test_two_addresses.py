"""A next hop of two addresses, over real sockets; what is behind the first one helps nobody."""

import asyncio
import errno
import socket
import time
from contextlib import AsyncExitStack, ExitStack

import pytest
import uvloop

from pbxcerts.system.network.addresses import in_turns
from terminals.drivers.base import Reaction
from terminals.sip import connections, transaction
from terminals.sip.connections import SipConnections
from terminals.sip.datagrams import DatagramSocket
from terminals.sip.notify import Hop, Notify, Transport
from tests.support.phones import Phone, a_notify, answer, ask, run, silent

pytestmark = pytest.mark.parametrize(
    "hosts", [("::1", "127.0.0.1"), ("127.0.0.1", "::1")], ids=["IPv6 first", "IPv4 first"]
)


@pytest.fixture
def two(names, hosts):
    return names("pbx.test", *hosts)


def met(two, *, transport="udp", count=1, first=None, tls=None, client=None, loop=asyncio.run):
    async def scenario():
        async with AsyncExitStack() as stack:
            if first is not None:
                await stack.enter_async_context(Phone(first, transport=transport, host=two.hosts[0], port=two.port))
            phone = await stack.enter_async_context(
                Phone(transport=transport, host=two.hosts[1], port=two.port, tls=tls)
            )
            hop = Hop("pbx.test", two.port, Transport(transport))
            notifies = [a_notify(phone, key, target="sip:201@pbx.test", next_hop=hop) for key in range(count)]
            async with asyncio.timeout(30):
                return await ask(*notifies, tls=client), phone

    return loop(scenario())


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_over_tcp_the_second_is_taken_where_the_first_refuses(two, loop, monkeypatch):
    async def addresses(_connections, hop, kind):
        return in_turns(socket.getaddrinfo(hop.host, hop.port, type=kind))

    # uvloop's own resolver is none of Python's.
    monkeypatch.setattr(SipConnections, "_addresses", addresses)
    (answered,), phone = met(two, transport="tcp", loop=loop)
    assert (answered.status, phone.connections) == (200, 1)


def test_over_tcp_the_second_is_taken_where_the_first_takes_nothing(two):
    listening, _ = two.listeners(dead=False)
    listening.listen(0)
    # Whoever comes after these waits for a place in the queue.
    with ExitStack() as stack:
        for _ in range(2):
            waiting = stack.enter_context(socket.socket(listening.family, socket.SOCK_STREAM))
            waiting.settimeout(0)
            waiting.connect_ex((two.hosts[0], two.port))
        two.close_second()
        began = time.monotonic()
        (answered,), _ = met(two, transport="tcp")
    assert answered.status == 200
    assert time.monotonic() - began < 3


def test_over_tls_the_second_is_taken_where_the_first_says_nothing(two, server_tls, client_tls):
    two.listeners(dead=False)
    two.close_second()
    began = time.monotonic()
    (answered,), _ = met(two, transport="tls", tls=server_tls, client=client_tls)
    assert answered.status == 200
    assert time.monotonic() - began < 3


def test_over_udp_the_second_is_taken_within_the_time_of_the_first(two, monkeypatch):
    monkeypatch.setattr(transaction, "TIMER_F", 3.0)
    began = time.monotonic()
    (answered,), phone = met(two, first=silent)
    assert answered.status == 200
    assert time.monotonic() - began < 3.0
    assert len(phone.requests) == 1


def test_over_udp_a_family_that_this_machine_does_not_speak_is_passed_over(two, hosts, monkeypatch):
    unknown = socket.AF_INET6 if ":" in hosts[0] else socket.AF_INET

    def only_the_other(family, received):
        if family == unknown:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return DatagramSocket(family, received)

    monkeypatch.setattr(connections, "DatagramSocket", only_the_other)
    began = time.monotonic()
    (answered,), _ = met(two)
    assert answered.status == 200
    assert time.monotonic() - began < 2


def test_over_udp_an_address_without_a_route_is_passed_over(two, hosts, monkeypatch):
    def without_route(self, address):
        if address[0] == hosts[0]:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return sender(self, address)

    sender = DatagramSocket.sender
    monkeypatch.setattr(DatagramSocket, "sender", without_route)
    began = time.monotonic()
    (answered,), _ = met(two)
    assert answered.status == 200
    assert time.monotonic() - began < 2


def test_over_udp_nothing_lasts_longer_than_with_one_address(two, monkeypatch):
    monkeypatch.setattr(transaction, "TIMER_F", 2.0)

    async def scenario():
        hop = Hop("pbx.test", two.port)
        return await ask(Notify(0, "sip:201@pbx.test", "check-sync", hop))

    began = time.monotonic()
    (answered,) = run(scenario())
    assert (answered.reaction, answered.reason) == (Reaction.ABSENT, "timeout")
    assert 1.5 < time.monotonic() - began < 3.5


def test_over_udp_the_address_that_answered_gets_all_others(two, monkeypatch):
    """Also those that wait at the one that says nothing."""
    monkeypatch.setattr(transaction, "TIMER_F", 4.0)
    answers, phone = met(two, first=silent, count=30)
    assert {answered.status for answered in answers} == {200}
    assert len(phone.requests) == 30


def test_over_udp_a_telephone_that_is_silent_behind_a_server_that_answers_is_not_asked_twice(two, monkeypatch):
    monkeypatch.setattr(transaction, "TIMER_F", 4.0)

    def server(phone, request):
        return [answer(request)] if "201@" in str(request.uri) else []

    async def scenario():
        async with (
            Phone(server, host=two.hosts[0], port=two.port) as first,
            Phone(server, host=two.hosts[1], port=two.port) as second,
        ):
            hop = Hop("pbx.test", two.port)
            targets = ["sip:201@pbx.test", "sip:202@pbx.test"]
            known = [Notify(key, target, "check-sync", hop) for key, target in enumerate(targets)]
            return await ask(*known), first, second

    (there, away), first, second = run(scenario())
    assert (there.status, away.reason) == (200, "timeout")
    assert (len({one.cseq.sequence for one in first.requests}), second.requests) == (1, [])
