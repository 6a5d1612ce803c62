"""All simulated telephones of a demonstration, and its time server, in one process."""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from pbxcerts.demo.desk_phone import DeskPhone
from pbxcerts.demo.flyingvoice_phone import FlyingvoicePhone
from pbxcerts.demo.grandstream_phone import GrandstreamPhone
from pbxcerts.demo.mitel_phone import MitelPhone
from pbxcerts.demo.snom_phone import SnomPhone
from pbxcerts.demo.stage import LOOPBACK, Stage
from pbxcerts.demo.system_phone import system_phone
from pbxcerts.demo.time_server import TimeServer
from pbxcerts.demo.yealink_phone import YealinkPhone
from pbxcerts.processes import lifeline
from pbxcerts.system import own_process
from pbxcerts.system.network.endpoint import Endpoint

TIME_SERVERS = (LOOPBACK, "127.0.0.2")
"""Two, because the clock counts as right where two agree."""
LOOKS_EVERY = 0.2
DESK_PHONES: dict[str, type[DeskPhone]] = {
    "mitel_sip": MitelPhone,
    "yealink": YealinkPhone,
    "snom": SnomPhone,
    "grandstream": GrandstreamPhone,
    "flyingvoice": FlyingvoicePhone,
}
"""By delivery method."""


async def play(stage: Stage) -> None:
    """Until the process ends."""
    loop = asyncio.get_running_loop()
    for address in TIME_SERVERS:
        await loop.create_datagram_endpoint(TimeServer, local_addr=(address, stage.time))
    stage.telephones_pid.write_text(str(os.getpid()))
    await _listeners_are_open(stage)
    telephones = json.loads(stage.cast.read_text())
    for one in telephones["desk"]:
        await _play_desk_phone(stage, one)
    stores = stage.directory / "telephones"
    stores.mkdir(exist_ok=True)
    agents = [
        system_phone(
            store=stores / f"{one['number']}.pem",
            listen=Endpoint(LOOPBACK, one["port"]),
            token=one["token"],
            https=Endpoint(LOOPBACK, stage.https),
            proof=Endpoint(LOOPBACK, stage.proof),
            first_root=stage.first_root,
        )
        for one in telephones["system"]
    ]
    await asyncio.gather(*(agent.run() for agent in agents), asyncio.Event().wait())


async def _play_desk_phone(stage: Stage, one: dict[str, Any]) -> None:
    phone = DESK_PHONES[one["method"]](
        address=one["address"],
        model=one["model"],
        mac=one["mac"],
        path=f"/{one['secret']}",
        https=(LOOPBACK, stage.https),
        trusts=stage.first_root.read_text(),
    )
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: phone, local_addr=(one["address"], stage.sip))


async def _listeners_are_open(stage: Stage) -> None:
    for port in (stage.https, stage.proof):
        while True:
            try:
                _reader, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(LOOKS_EVERY)
            else:
                writer.close()
                break


def main(directory: str) -> None:
    own_process.begin()
    lifeline.end_with(os.getppid())
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    asyncio.run(play(Stage.read(Path(directory))))


if __name__ == "__main__":
    main(sys.argv[1])
