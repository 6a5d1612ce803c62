"""Clients over TLS while the certificate changes: `python -m tests.benchmarks.certificate_switches_clients`.

Half of them keep their connection for ever, half make a new one for each request. Takes lines of JSON: the first names the
listeners ({"ports": {"PORT": "PATH"}, "clients": N}), each further one the SHA-256 of the certificate that is new; answered as
soon as each listener has shown it to a new connection. At the end of the input come the totals.
"""

import asyncio
import hashlib
import json
import ssl
import sys
import time
from collections import Counter

import uvloop

ANSWERS_WITHIN = 30


class Crowd:
    def __init__(self, ports):
        self.ports = ports
        self.counts = Counter()
        self.newest = ""
        self.waiting = set()
        self.ending = False
        self.seen = asyncio.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    async def connect(self, port):
        return await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", port, ssl=self.context, ssl_handshake_timeout=ANSWERS_WITHIN),
            ANSWERS_WITHIN,
        )

    async def ask(self, reader, writer, port, *, keep):
        """Raises EOFError where the connection was closed instead of answered."""
        last = "" if keep else "Connection: close\r\n"
        writer.write(f"GET {self.ports[port]} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWERS_WITHIN)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        await asyncio.wait_for(reader.readexactly(int(fields[b"content-length"])), ANSWERS_WITHIN)
        self.counts["errors"] += not head.startswith(b"HTTP/1.1 200 ")

    async def keep_on(self, port):
        """Ask over one connection. When that is gone, it was dropped."""
        reader, writer = await self.connect(port)
        while not self.ending:
            try:
                await self.ask(reader, writer, port, keep=True)
                self.counts["kept"] += 1
            except (OSError, EOFError, TimeoutError):
                self.counts["dropped"] += 1
                writer.close()
                reader, writer = await self.connect(port)
        writer.close()

    async def come_again(self, port):
        while not self.ending:
            newest = self.newest
            try:
                reader, writer = await self.connect(port)
                shown = hashlib.sha256(writer.get_extra_info("ssl_object").getpeercert(binary_form=True)).hexdigest()
                await self.ask(reader, writer, port, keep=False)
                writer.close()
            except (OSError, EOFError, TimeoutError):
                self.counts["errors"] += 1
                continue
            self.counts["new"] += 1
            if shown == newest:
                self.counts["shown"] += 1
                self.waiting.discard(port)
                if not self.waiting:
                    self.seen.set()

    async def expect(self, fingerprint):
        self.newest, self.waiting = fingerprint, set(self.ports)
        self.seen.clear()
        before, began = self.counts.copy(), time.perf_counter()
        await asyncio.wait_for(self.seen.wait(), 60)
        return {"seconds": time.perf_counter() - began} | dict(self.counts - before)


async def main():
    loop = asyncio.get_running_loop()
    order = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    crowd = Crowd({int(port): path for port, path in order["ports"].items()})
    tasks = [
        asyncio.create_task(behave(port))
        for port in crowd.ports
        for _ in range(order["clients"])
        for behave in (crowd.keep_on, crowd.come_again)
    ]
    began = time.perf_counter()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await crowd.expect(json.loads(line))), flush=True)  # noqa: T201 - the answer
    seconds = time.perf_counter() - began
    crowd.ending = True
    results = await asyncio.gather(*tasks, return_exceptions=True)
    totals = {"errors": 0, "dropped": 0, "kept": 0, "new": 0, "shown": 0, **crowd.counts}
    totals["errors"] += sum(result is not None for result in results)
    print(json.dumps(totals | {"seconds": seconds}), flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
