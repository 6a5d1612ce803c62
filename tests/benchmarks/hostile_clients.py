"""Connections that hold what they can: `python -m tests.benchmarks.hostile_clients ADDRESS ORDERS`.

Each comes from ADDRESS, behaves as its order says, and comes again as soon as it is closed. They are of these kinds: `silent`
says nothing; `head` and `body` send theirs octet by octet; `pipeline` asks again and again and never reads; `unread` asks once
for something large and never reads. Over TLS those that are silent never end their handshake.
"""

import asyncio
import json
import resource
import socket
import ssl
import sys

import uvloop

AGAIN = 1
"""Seconds until one that was closed comes again."""
DRIP = 2
PIPELINED = 300_000
"""Octets of requests."""
RECEIVED = 4096
"""Octets that the kernel keeps for a client that does not read."""

TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


class Hostile(asyncio.Protocol):
    def __init__(self, said: bytes, over: asyncio.Future[None], *, reads: bool) -> None:
        self._said, self._over, self._reads = said, over, reads
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport):
        self.transport = transport
        if not self._reads:
            transport.pause_reading()
        transport.write(self._said)

    def connection_lost(self, _error):
        if not self._over.done():
            self._over.set_result(None)


def first_words(kind: str, path: str) -> bytes:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
    body = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n" + b"x" * 2_400_000
    return {
        "silent": b"",
        "head": head,
        "body": body,
        "pipeline": request * (PIPELINED // len(request)),
        "unread": request,
    }[kind]


async def one(address: str, order: dict) -> None:
    loop = asyncio.get_running_loop()
    kind, scheme = order["kind"], order["scheme"]
    reads = kind not in {"pipeline", "unread"}
    while True:
        over = loop.create_future()
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
            client.bind((address, 0))
            transport = None
            try:
                await loop.sock_connect(client, (address, order["port"]))
                context = TRUSTING if scheme == "https" and kind != "silent" else None
                transport, protocol = await asyncio.wait_for(
                    loop.create_connection(
                        lambda over=over: Hostile(first_words(kind, order["path"]), over, reads=reads),
                        sock=client,
                        ssl=context,
                        server_hostname="localhost" if context else None,
                    ),
                    30,
                )
                while not over.done():
                    await asyncio.wait([over], timeout=DRIP)
                    # Who does not read does not see the end either, but for this.
                    if kind in {"head", "body"} or (not reads and kind == "unread"):
                        protocol.transport.write(b"x")
            except (OSError, TimeoutError, RuntimeError):
                pass
            finally:
                if transport is not None:
                    transport.abort()
        await asyncio.sleep(AGAIN)


async def all_of_them(address: str, orders: list) -> None:
    async with asyncio.TaskGroup() as tasks:
        for order in orders:
            for _ in range(order["count"]):
                tasks.create_task(one(address, order))


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_of_them(sys.argv[1], json.loads(sys.argv[2])))
