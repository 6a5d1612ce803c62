"""Whether octets have arrived at a peer, over real sockets."""

import asyncio
import socket
import struct

import pytest

from terminals.web import acknowledgement
from terminals.web.acknowledgement import Acknowledgements

SIZE = 3_000_000


def arrived(client, *, size=SIZE, within=5.0):
    """Whether it counts as arrived when `client`, a function of the socket, treats it so."""

    async def main():
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        proved, served = [], []
        acknowledgements = Acknowledgements(proved.append)

        async def serve(_reader, writer):
            served.append(writer.transport)
            acknowledgements.expect(writer.transport, size, ["a fact"])
            writer.write(b"x" * size)
            writer.close()
            written.set_result(None)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)) as connection:
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


def test_what_was_taken_has_arrived():
    assert arrived(take)


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_it_has_arrived_however_the_connection_ends_afterwards(end):
    def client(connection):
        take(connection)
        end(connection)

    assert arrived(client)


def test_what_nobody_takes_has_not_arrived():
    assert not arrived(lambda _connection: None, within=0.3)


def test_what_is_not_taken_in_time_is_given_up(monkeypatch):
    monkeypatch.setattr(acknowledgement, "WITHIN", 0.1)

    assert not arrived(lambda _connection: None, within=20)


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_what_was_taken_in_part_has_not_arrived(end):
    def client(connection):
        take(connection, 1000)
        end(connection)

    assert not arrived(client)
