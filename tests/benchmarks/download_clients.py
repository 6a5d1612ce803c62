"""Telephones that fetch files, each over a connection of its own: `python -m tests.benchmarks.download_clients`.

Takes orders as lines of JSON (port, scheme, at_once, and of each file its path and the User-Agent) and answers each with how long it took, how many octets came, what
failed, and its own CPU. A process of its own, so that what it costs is not counted as the server's.
"""

import asyncio
import json
import resource
import ssl
import sys
import time

import uvloop


class Fetch(asyncio.Protocol):
    """One request; `done` has what came."""

    def __init__(self, path: str, done: asyncio.Future[bytes], agent: str) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n".encode()
        )
        self._done = done
        self._came = bytearray()

    def connection_made(self, transport):
        transport.write(self._request)

    def data_received(self, data):
        self._came += data

    def connection_lost(self, _error):
        if not self._done.done():
            self._done.set_result(bytes(self._came))


def is_whole(answer: bytes) -> bool:
    head, _gap, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), -1)
    return answer.startswith(b"HTTP/1.1 200") and len(body) == length


async def fetch_all(port, scheme, at_once, files):
    loop = asyncio.get_running_loop()
    context = None
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    waiting = iter(files)
    lost = 0

    async def phone():
        nonlocal lost
        for path, agent in waiting:
            done = loop.create_future()
            try:
                await loop.create_connection(
                    lambda path=path, agent=agent, done=done: Fetch(path, done, agent), "127.0.0.1", port, ssl=context
                )
                answer = await asyncio.wait_for(done, 60)
            except (OSError, TimeoutError):
                answer = b""
            lost += not is_whole(answer)

    began = time.perf_counter()
    await asyncio.gather(*(phone() for _ in range(at_once)))
    return {"seconds": time.perf_counter() - began, "files": len(files), "lost": lost}


def main():
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for line in sys.stdin:
        cpu = time.process_time()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(fetch_all(**json.loads(line)))
        print(json.dumps(result | {"cpu": time.process_time() - cpu}), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
