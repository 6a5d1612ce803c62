"""What the web process does for its machine once a minute: it looks at the other machines, shows its own life where no worker
does, and keeps the pairs that it presents (rules machines, served-copy).
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from certificates.communication_server.errors import CommunicationServerError
from certificates.renewal.served_copy import keep_served_copy
from pbxcerts.machine_elsewhere import show_web_process
from pbxcerts.processes.listeners.serving import Serving
from pbxcerts.system.outage import Outage
from pbxcerts.system.sealing import SealingError

EVERY = 60
SOONER = 5
"""Seconds; where the database could not be asked, or this machine may not work until somebody puts its secrets right."""

logger = logging.getLogger("pbxcerts.web")
outage = Outage(logger, "Other machines hear of this one again, and its pairs are those of now.")


class Presence:
    """`run` is a task of an event loop; the database is asked in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "presence")

    async def run(self, serving: Serving) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not serving.ending.is_set():
                in_order = await loop.run_in_executor(self._thread, _show)
                await serving.pause(EVERY if in_order else SOONER)
        finally:
            self._thread.submit(connections.close_all)
            self._thread.shutdown(wait=False)


def _show() -> bool:
    close_old_connections()
    try:
        may_work = show_web_process()
        keep_served_copy()
    except (DatabaseError, InterfaceError, CommunicationServerError, SealingError) as error:
        outage.goes_on(error, "Other machines do not hear of this one, or its pairs are those of before: %s")
        return False
    outage.is_over()
    return may_work
