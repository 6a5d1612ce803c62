"""A name is tried at all its addresses, IPv6 and IPv4 by turns, within the same time."""

import asyncio
import contextlib
import socket
import time

import pytest

from certificates.pki.identity import Identity
from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent import config, https, reach
from terminals.agent.errors import ServerUnreached, ServerUntrusted
from terminals.agent.registration import Registration
from terminals.agent.store import TrustStore
from tests.support.est_server import EstServer, a_pair_now

NAMED = Identity(("pbx.test",), ())


@pytest.fixture(scope="module")
def pair():
    return a_pair_now(7, identity=NAMED)


@pytest.fixture
def name(monkeypatch):
    """Give pbx.test these addresses; no name server is asked."""
    real = socket.getaddrinfo

    def give(*addresses):
        def getaddrinfo(host, port, *arguments, **options):
            names = addresses if host in ("pbx.test", b"pbx.test") else [host]
            return [found for one in names for found in real(one, port, *arguments, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return give


@contextlib.contextmanager
def silent(address, port):
    """Somebody who takes connections there and says nothing."""
    with socket.create_server((address, port)):
        yield


def fetch(pair, port):
    async def once():
        server = config.ServerUrl(True, Endpoint("pbx.test", port), "")
        async with https.connected(server, [pair.root]) as connection:
            return (await connection.request("GET", "/.well-known/est/cacerts")).status

    return asyncio.run(once())


def test_the_next_address_is_tried_where_the_first_is_silent(pair, name, monkeypatch):
    monkeypatch.setattr(reach, "CONNECT_WITHIN", 2.0)
    with EstServer(pair, [pair]) as server, silent("127.0.0.2", server.port):
        name("127.0.0.2", "127.0.0.1")
        began = time.monotonic()
        assert fetch(pair, server.port) == 200
        assert time.monotonic() - began < 2


def test_or_presents_another_certificate(pair, name):
    strange = a_pair_now(9, identity=NAMED)
    with EstServer(strange, host="127.0.0.2") as other, EstServer(pair, [pair], port=other.port) as server:
        name("127.0.0.2", "127.0.0.1")
        assert fetch(pair, server.port) == 200


def test_or_takes_no_connection(pair, name):
    with EstServer(pair, [pair]) as server:
        name("127.0.0.2", "127.0.0.3", "127.0.0.1")
        assert fetch(pair, server.port) == 200


def test_where_none_answers_it_is_over_within_the_same_time(pair, name, monkeypatch):
    monkeypatch.setattr(reach, "CONNECT_WITHIN", 1.0)
    with EstServer(None) as gone:
        port = gone.port
    with silent("127.0.0.1", port), silent("127.0.0.2", port), silent("127.0.0.3", port):
        name("127.0.0.2", "127.0.0.3", "127.0.0.1")
        began = time.monotonic()
        with pytest.raises(ServerUnreached, match=r"pbx\.test:\d+ took no connection within 1 s"):
            fetch(pair, port)
        assert 0.9 < time.monotonic() - began < 3


def test_that_one_is_not_trusted_is_said_before_that_others_are_away(pair, name):
    strange = a_pair_now(9, identity=NAMED)
    with EstServer(strange) as server:
        name("127.0.0.1", "127.0.0.2")
        with pytest.raises(ServerUntrusted, match="is not trusted"):
            fetch(pair, server.port)


def test_ipv6_and_ipv4_are_tried_by_turns():
    found = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"]
    assert reach.by_turns(found) == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]
    assert reach.by_turns(["192.0.2.1", "192.0.2.1", "2001:db8::1"]) == ["192.0.2.1", "2001:db8::1"]


def test_the_registration_tries_all_addresses_too(pair, name, tmp_path, monkeypatch):
    monkeypatch.setattr(reach, "CONNECT_WITHIN", 2.0)
    store = TrustStore(tmp_path / "trust.pem")
    store.replace([pair.root])
    with EstServer(pair) as server, silent("127.0.0.2", server.port):
        name("127.0.0.2", "127.0.0.1")
        wanted = config.RegistrationConfig(
            Endpoint("pbx.test", server.port), "sip:120@pbx.test", "120", "sip:pbx.test", "120"
        )

        async def connect():
            flow = await Registration(wanted, store, print)._connect()
            own = flow.own
            await flow.close()
            return own

        assert asyncio.run(connect()).startswith("127.0.0.1:")
