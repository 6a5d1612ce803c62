"""The telephones of `sip_fleet` as Mitel phones that need no time to restart: what a NOTIFY is answered with 200, that fetches.

Each takes its `<MAC>.cfg` and then the trust file that this names, over a connection of its own each, from the address that it
was called at. `python -m tests.benchmarks.mitel_fleet PORT SCHEME SERVER-PORT`.
"""

import asyncio
import re
import resource
import ssl
import sys

import uvloop

from tests.benchmarks.download_clients import Fetch, is_whole
from tests.benchmarks.sip_fleet import Fleet, Phones, serve

TRUST_FILE = re.compile(rb"\^?https user certificates: https?://[^/]+(/\S+)")
WITHIN = 60


def mac_of(address):
    _, _, network, host = address
    return f"00085D{network * 250 + host - 1:06X}"


class MitelPhones(Phones):
    def __init__(self, port, scheme, server):
        self.server = server
        self.context = None
        if scheme == "https":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.restarting = set()
        super().__init__(port)

    def forget(self):
        super().forget()
        self.files, self.lost = 0, 0

    def report(self):
        fetched = {"files": self.files, "lost": self.lost}
        return super().report() | fetched

    def heard(self, address):
        restart = asyncio.ensure_future(self.restart(address))
        self.restarting.add(restart)
        restart.add_done_callback(self.restarting.discard)

    async def restart(self, address):
        configuration = await self.fetch(address, f"/{mac_of(address)}.cfg")
        if trust_file := TRUST_FILE.search(configuration):
            await self.fetch(address, trust_file[1].decode())

    async def fetch(self, address, path):
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        local = ".".join(map(str, address))
        dashed = "-".join(re.findall("..", mac_of(address)))
        try:
            await loop.create_connection(
                lambda: Fetch(path, done, agent=f"Mitel6930 MAC:{dashed} V:6.4.0.140-SIP"),
                "127.0.0.1",
                self.server,
                ssl=self.context,
                local_addr=(local, 0),
            )
            answer = await asyncio.wait_for(done, WITHIN)
        except (OSError, TimeoutError):
            answer = b""
        self.files += 1
        self.lost += not is_whole(answer)
        return answer


def mitel_fleet(port, scheme, server):
    """Its processes; they have nothing to fetch before `server` listens."""
    return Fleet(port, module="tests.benchmarks.mitel_fleet", arguments=[scheme, str(server)])


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, scheme, server = sys.argv[1:]
    uvloop.run(serve(lambda: MitelPhones(int(port), scheme, int(server))))
