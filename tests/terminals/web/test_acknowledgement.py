"""Whether octets have arrived at a peer, over real sockets."""

import asyncio
import socket
import struct

import pytest

from pbxcerts.processes.listeners.plain_transport import PlainTransport
from terminals.web import acknowledgement
from terminals.web.acknowledgement import Acknowledgements

SIZE = 3_000_000
SHORT = 2000
"""Octets of a response that is acknowledged when it comes. The acknowledgement of a long one's end may be held back (RFC 1122
section 4.2.3.2), and a reset then takes its place.
"""


@pytest.fixture(params=["a socket of its own", "a shared socket"])
def shares(request):
    """Whether the transport of the server shares its socket."""
    return request.param == "a shared socket"


def arrived(client, *, shares, size=SIZE, within=5.0):
    """Whether it counts as arrived when `client`, a function of the socket, treats it so."""

    async def main():
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        proved, served = [], []
        acknowledgements = Acknowledgements(proved.append)

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                served.append(transport)
                # Octets of an answer before.
                transport.write(b"y" * 10)
                acknowledgements.expect(transport, size, ["a fact"])
                transport.write(b"x" * size)
                transport.close()
                written.set_result(None)

        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()) as connection,
        ):
            accepted, address = listening.accept()
            accepted.setblocking(False)
            if shares:
                PlainTransport(loop, accepted, address, Server(), high_water=16_384).begin()
            else:
                await loop.connect_accepted_socket(Server, accepted)
            assert len(connection.recv(10, socket.MSG_WAITALL)) == 10
            await asyncio.to_thread(client, connection)
            await written
            await acknowledgements.end(within)
        for transport in served:
            # What the client never took would keep it open beyond the loop.
            transport.abort()
        await asyncio.sleep(0)
        return proved == ["a fact"]

    return asyncio.run(main())


def take(connection, size=SIZE):
    connection.settimeout(10)
    left = size
    while left:
        left -= len(connection.recv(min(left, 65536)))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_what_was_taken_has_arrived(shares):
    assert arrived(take, shares=shares)


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_it_has_arrived_however_the_connection_ends_afterwards(end, shares):
    def client(connection):
        take(connection, SHORT)
        end(connection)

    assert arrived(client, shares=shares, size=SHORT)


def test_what_nobody_takes_has_not_arrived(shares):
    assert not arrived(lambda _connection: None, shares=shares, within=0.3)


def test_what_is_not_taken_in_time_is_given_up(monkeypatch, shares):
    monkeypatch.setattr(acknowledgement, "WITHIN", 0.1)

    assert not arrived(lambda _connection: None, shares=shares, within=20)


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_what_was_taken_in_part_has_not_arrived(end, shares):
    def client(connection):
        take(connection, 1000)
        end(connection)

    assert not arrived(client, shares=shares)


def test_of_one_that_is_aborted_it_is_known_at_once():
    async def main():
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()),
        ):
            transport = PlainTransport(
                asyncio.get_running_loop(), *listening.accept(), asyncio.Protocol(), high_water=SIZE
            )
            transport.begin()
            watched = Acknowledgements(print).expect(transport, SIZE, ["a fact"])
            transport.write(b"x" * SIZE)
            before = watched.arrived()
            transport.abort()
            await asyncio.sleep(0)
            return before, watched.arrived()

    assert asyncio.run(main()) == (None, False)


def test_what_was_taken_of_answers_before_it_does_not_count_for_it():
    async def main():
        loop, proved = asyncio.get_running_loop(), []
        acknowledgements = Acknowledgements(proved.append)
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()) as client,
        ):
            accepted, address = listening.accept()
            accepted.setblocking(False)
            transport = PlainTransport(loop, accepted, address, asyncio.Protocol(), high_water=16_384)
            transport.begin()
            transport.write(b"y" * SIZE)
            await asyncio.to_thread(take, client, 1000)
            acknowledgements.expect(transport, 10, ["a fact"])
            transport.write(b"x" * 10)
            await asyncio.sleep(0.1)
            assert proved == []

            await asyncio.to_thread(take, client, SIZE + 10 - 1000)
            await acknowledgements.end(5)
            assert proved == ["a fact"]
            transport.abort()
            await asyncio.sleep(0)

    asyncio.run(main())
