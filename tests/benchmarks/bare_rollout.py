"""The floor under a rollout: `bare_notify` beside a responder for the same files, in one asyncio program without a database."""

import asyncio
import ssl

from tests.benchmarks import bare_notify


class Responder(asyncio.Protocol):
    """One request a connection, answered from memory."""

    def __init__(self, files, answered):
        self.files, self.answered = files, answered

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, request):
        path = request[4 : request.index(b" ", 4)]
        content = self.files[path]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % len(content) + content)
        self.transport.close()
        self.answered()


class Server:
    """Listens from `with` to its end; `files` by path, in octets. `pair`: certificate and key, None for plain HTTP."""

    def __init__(self, port, files, pair):
        self.port, self.files = port, files
        self.context = None
        if pair is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.num_tickets = 0
            self.context.load_cert_chain(*pair)

    async def __aenter__(self):
        self.left, self.all_answered = len(self.files), asyncio.Event()
        loop = asyncio.get_running_loop()
        self.listening = await loop.create_server(
            lambda: Responder(self.files, self.answered), "127.0.0.1", self.port, ssl=self.context, backlog=2048
        )
        return self

    async def __aexit__(self, *_error):
        self.listening.close()

    def answered(self):
        self.left -= 1
        if not self.left:
            self.all_answered.set()


async def roll_out(targets, server, *, at_most, user, password):
    """Until every file was asked for once; returns the statuses of the answers."""
    async with server:
        statuses = await bare_notify.notify_all(targets, at_most=at_most, user=user, password=password)
        await server.all_answered.wait()
    return statuses
