"""Whether octets have arrived at a peer, over real sockets."""

import asyncio
import socket
import struct

import pytest

from terminals.web.acknowledgement import Acknowledgement

SIZE = 3_000_000


def arrived(client, *, size=SIZE, within=1.0):
    """What the server makes of it that `client` (a function of the socket and what it can await) treats it so."""

    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def serve(_reader, writer):
            with Acknowledgement(writer.transport, size) as acknowledgement:
                writer.write(b"x" * size)
                outcome.set_result(await acknowledgement.within(within))
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)) as connection:
                task = asyncio.to_thread(client, connection)
                await task
                return await asyncio.wait_for(outcome, 10)

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


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_what_was_taken_in_part_has_not_arrived(end):
    def client(connection):
        take(connection, 1000)
        end(connection)

    assert not arrived(client)
