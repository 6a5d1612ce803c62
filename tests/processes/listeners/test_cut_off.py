"""Whoever is turned out of a crowd keeps no connection, whoever still holds a descriptor of it."""

import asyncio
import os
import socket
from contextlib import ExitStack

import pytest
import uvloop

from pbxcerts.processes.listeners.arrival import cut_off
from terminals.web.acknowledgement import CLOSED
from tests.support.panel_listener import Pair, trusting_nobody


class Holding(asyncio.Protocol):
    """Keeps a descriptor of its connection, as who wants to know later what of an answer has arrived."""

    def connection_made(self, transport):
        self.transport = transport
        self.kept = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))

    def data_received(self, data):
        self.transport.write(data)


def kept_after(tmp_path, end, *, tls):
    """What the system says of the connection (TCP_INFO) whose client was answered once and which is ended so."""

    async def main():
        made = []
        loop = asyncio.get_running_loop()
        context = Pair(tmp_path).context if tls else None
        server = await loop.create_server(lambda: made.append(Holding()) or made[-1], "127.0.0.1", 0, ssl=context)
        with ExitStack() as stack:
            client = stack.enter_context(socket.create_connection(server.sockets[0].getsockname(), timeout=10))
            if tls:
                client = stack.enter_context(await asyncio.to_thread(trusting_nobody().wrap_socket, client))
            client.sendall(b"hello")
            assert await asyncio.to_thread(client.recv, 100) == b"hello"
            (holding,) = made
            kept = stack.enter_context(holding.kept)
            end(holding.transport)
            await asyncio.sleep(0.05)
            server.close()
            return kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_nothing_is_left_of_it(tmp_path, tls):
    assert kept_after(tmp_path, cut_off, tls=tls) == CLOSED


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_else_it_would_stay_open(tmp_path, tls):
    assert kept_after(tmp_path, lambda transport: transport.abort(), tls=tls) != CLOSED
