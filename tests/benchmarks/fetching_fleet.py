"""The telephones of `sip_fleet` as phones that need no time to restart: what a NOTIFY is answered with 200, that fetches.

The first so many makers of `makers` take turns, as in the list that MANY makes. Each takes its configuration and then the files
that this names, over a connection of its own each, from the address that it was called at.
`python -m tests.benchmarks.fetching_fleet PORT SCHEME SERVER-PORT MAKERS`.
"""

import asyncio
import resource
import ssl
import sys

import uvloop

from tests.benchmarks.download_clients import Fetch, is_whole
from tests.benchmarks.makers import MAKERS
from tests.benchmarks.sip_fleet import Fleet, Phones, serve

WITHIN = 60


class FetchingPhones(Phones):
    def __init__(self, port, scheme, server, makers):
        self.server = server
        self.makers = MAKERS[:makers]
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
        _, _, network, host = address
        number = network * 250 + host - 1
        maker = self.makers[number % len(self.makers)]
        mac = maker.mac(number)
        agent = maker.user_agent(mac)
        configuration = await self.fetch(address, maker.path(mac), agent)
        for path in maker.named.findall(configuration):
            await self.fetch(address, path.decode(), agent)

    async def fetch(self, address, path, agent):
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        try:
            await loop.create_connection(
                lambda: Fetch(path, done, agent),
                "127.0.0.1",
                self.server,
                ssl=self.context,
                local_addr=(".".join(map(str, address)), 0),
            )
            answer = await asyncio.wait_for(done, WITHIN)
        except (OSError, TimeoutError):
            answer = b""
        self.files += 1
        self.lost += not is_whole(answer)
        return answer


def fetching_fleet(port, scheme, server, makers):
    """Its processes; they have nothing to fetch before `server` listens."""
    return Fleet(port, module="tests.benchmarks.fetching_fleet", arguments=[scheme, str(server), str(makers)])


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, scheme, server, makers = sys.argv[1:]
    uvloop.run(serve(lambda: FetchingPhones(int(port), scheme, int(server), int(makers))))
