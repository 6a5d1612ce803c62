"""The program that runs: a round at the start, every hour, and when a NOTIFY asks for one."""

from __future__ import annotations

import asyncio
import logging
import random
import signal

from terminals.agent import schedule
from terminals.agent.config import Config
from terminals.agent.errors import AgentError
from terminals.agent.notify import Listener
from terminals.agent.round import Exchange

logger = logging.getLogger("pbxcerts-agent")


class Agent:
    """Waits by the monotonic clock, so that setting the machine's clock changes no wait."""

    def __init__(self, config: Config) -> None:
        self._every = config.every
        self._exchange = Exchange(config)
        self._asked = asyncio.Event()
        self._failures = 0
        self.listener = Listener(config.sip, self._ask) if config.sip else None

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError where the SIP address cannot be taken."""
        loop = asyncio.get_running_loop()
        if self.listener:
            await self.listener.open()
            logger.info("NOTIFY is heard on port %s.", self.listener.port)
        try:
            while True:
                began = loop.time()
                self._asked.clear()
                wait = await self._round()
                await asyncio.sleep(max(0.0, began + schedule.BETWEEN_ASKED - loop.time()))
                await self._until_asked(began + wait - loop.time())
        finally:
            if self.listener:
                self.listener.close()

    async def _round(self) -> float:
        """Seconds from its beginning to the next one."""
        chance = random.random()  # noqa: S311 - it spreads load
        try:
            done = await self._exchange.round()
        except AgentError as error:
            self._failures += 1
            wait = schedule.after_failures(self._failures, chance, self._every)
            logger.warning("%s. Next attempt in %.0f s.", said(error), wait)
        except Exception:
            # Whatever it was: a telephone that asks no more is found by nobody until its calls fail.
            self._failures += 1
            wait = schedule.after_failures(self._failures, chance, self._every)
            logger.exception("A round failed. Next attempt in %.0f s.", wait)
        else:
            wait = schedule.after_success(chance, self._every)
            again = done.changed or self._failures
            self._failures = 0
            logger.log(logging.INFO if again else logging.DEBUG, "%d roots reported and proved.", len(done.trusted))
        return wait

    async def _until_asked(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._asked.wait()
        except TimeoutError:
            return

    def _ask(self, source: str) -> None:
        if not self._asked.is_set():
            logger.info("%s asks for a round.", source)
        self._asked.set()


def said(error: AgentError) -> str:
    """The error with where it happened."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])


async def run(config: Config) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigError."""
    running = asyncio.ensure_future(Agent(config).run())
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    told = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait([running, told], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        told.cancel()
        running.cancel()
        await asyncio.wait([running, told])
