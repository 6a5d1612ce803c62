"""The program that runs: a round at the start, every hour, and when a NOTIFY asks for one."""

import asyncio
import logging
import random
import signal

from terminals.agent import schedule
from terminals.agent.config import AgentConfig
from terminals.agent.errors import AgentError
from terminals.agent.notify import NotifyListener
from terminals.agent.registration import Registration
from terminals.agent.round import AgentRounds
from terminals.agent.store import TrustStore

logger = logging.getLogger("pbxcerts-agent")


class Agent:
    """Waits by the monotonic clock, so that setting the machine's clock changes no wait."""

    def __init__(self, config: AgentConfig) -> None:
        self._every = config.every
        self._exchange = AgentRounds(config)
        self._asked = asyncio.Event()
        self._failures = 0
        self._is_well = False
        self.listener = NotifyListener(config.sip, self._ask) if config.sip else None
        store = TrustStore(config.store, is_directory=config.store_is_directory)
        self._registration = Registration(config.registration, store, self._ask) if config.registration else None

    async def run(self) -> None:
        """Until cancelled. Raises AgentConfigError where the SIP address cannot be taken."""
        loop = asyncio.get_running_loop()
        if self.listener:
            await self.listener.open()
            logger.info("NOTIFY is heard on port %s.", self.listener.port)
        registered = asyncio.ensure_future(self._registration.run()) if self._registration else None
        not_before = loop.time()
        try:
            while True:
                began = loop.time()
                self._asked.clear()
                wait = await self._round()
                if await self._is_asked_within(began + wait - loop.time()):
                    await asyncio.sleep(not_before - loop.time())
                    not_before = loop.time() + schedule.BETWEEN_ASKED
        finally:
            if self.listener:
                self.listener.close()
            if registered:
                registered.cancel()
                await asyncio.wait([registered])

    async def _round(self) -> float:
        """Seconds from its beginning to the next one."""
        chance = random.random()  # noqa: S311 - it spreads load
        try:
            done = await self._exchange.round()
        except AgentError as error:
            wait = self._failed(chance)
            logger.warning("%s. Next attempt in %.0f s.", error_text(error), wait)
        except Exception:
            # Whatever it was: a telephone that asks no more is found by nobody until its calls fail.
            wait = self._failed(chance)
            logger.exception("A round failed. Next attempt in %.0f s.", wait)
        else:
            wait = schedule.after_success(chance, self._every)
            # Once an hour the same line would hide the others.
            is_news = done.changed or not self._is_well
            self._failures, self._is_well = 0, True
            logger.log(logging.INFO if is_news else logging.DEBUG, "%d roots reported and proved.", len(done.trusted))
            if done.changed and self._registration:
                self._registration.try_now()
        return wait

    def _failed(self, chance: float) -> float:
        self._failures, self._is_well = self._failures + 1, False
        return schedule.after_failures(self._failures, chance, self._every)

    async def _is_asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await self._asked.wait()
        except TimeoutError:
            return False

    def _ask(self, source: str) -> None:
        if not self._asked.is_set():
            logger.info("%s asks for a round.", source)
        self._asked.set()


def error_text(error: AgentError) -> str:
    """The error with where it happened."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])


async def run_agent(config: AgentConfig) -> None:
    """Until SIGTERM or SIGINT. Raises AgentConfigError."""
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
