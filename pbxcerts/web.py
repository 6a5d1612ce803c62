"""The web process as a child of `up`, which holds the listening sockets.

Two event loops, each in a thread of its own, with one uvicorn server per listener: one round of the terminals' is a thousand
phones long, and no page waits for that. Django stays WSGI and runs in eight threads; a thread is only ever given a whole
request and never waits for a client (`pbxcerts.requests`), so that clients that say nothing keep nobody waiting.
"""

import asyncio
import logging
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

import uvloop
from a2wsgi import WSGIMiddleware
from django.conf import settings

from pbxcerts import installation, lifeline, listeners, memory
from pbxcerts.precedence import Precedence
from pbxcerts.requests import WholeRequests
from pbxcerts.serving import STOPS_WITHIN, ServedPair, Serving
from pbxcerts.wsgi import application
from terminals.evidence import Evidence
from terminals.evidence_journal import Journal
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.connection import TerminalConnection
from terminals.web.refusals import refused_here
from terminals.web.snapshot import Snapshots
from terminals.web.tables import Name, applications

THREADS = 8
ENDS_WITHIN = STOPS_WITHIN + 5
IDLE = 75
"""Seconds that a connection of a browser may wait for the next request."""
IDLE_TERMINAL = 15
ACCEPTED_A_ROUND = 8
ACKNOWLEDGED_WITHIN = 3
"""Seconds that the last files may take to arrive when the process is told to stop."""
SWITCH_INTERVAL = 0.0005
"""Seconds that a thread may keep the others from running."""

logger = logging.getLogger("pbxcerts.web")


class Panel:
    """The panel's listeners. A terminal's listener gets a URL table of its own, never this one."""

    def __init__(self, plain: socket.socket, https: socket.socket | None, precedence: Precedence) -> None:
        # The queue has no end: a response is made of what is in memory, and a thread must not wait for a slow reader.
        threads = WSGIMiddleware(cast("Any", application), workers=THREADS, send_queue_size=0)
        self._app = WholeRequests(
            cast("Any", threads), limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0, precedence=precedence
        )
        self._plain = plain
        self._https = https
        # Every browser of today speaks TLS 1.3.
        self._pair = ServedPair(settings.STORE, "current", least=ssl.TLSVersion.TLSv1_3)

    async def serve(self, serving: Serving) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving.listen(self._app, self._plain, proxies=settings.TRUSTED_PROXIES, idle=IDLE))
            if self._https is not None and await self._can_open(self._https, serving):
                tasks.create_task(serving.listen(self._app, self._https, self._pair, proxies=[], idle=IDLE))

    async def _can_open(self, listener: socket.socket, serving: Serving) -> bool:
        """Wait until there is a pair and the port is ours; False where the process ends before."""
        while not serving.ending.is_set():
            if self._pair.follow() or self._pair.context is not None:
                try:
                    listener.listen()
                except OSError as error:
                    logger.error("The panel cannot be served over HTTPS: %s", error)
                else:
                    listeners.https_opened(listener.getsockname()[1])
                    return True
            await serving.pause(1)
        return False


class Terminals:
    """The terminals' listeners: each opens when its port is ours, with TLS when there is a pair; none waits for another."""

    def __init__(self, precedence: Precedence) -> None:
        self._evidence = Evidence(
            others_first=lambda: precedence.is_taken,
            afterwards=memory.give_back,
            journal=Journal(settings.DATA / "run"),
        )
        self._snapshots = Snapshots()
        self._addresses = {
            Name.HTTPS: settings.TERMINALS_HTTPS,
            Name.HTTP: settings.TERMINALS_HTTP,
            Name.PROOF: settings.TERMINALS_PROOF,
        }
        self._failing: dict[str, listeners.Failing] = {}
        self._acknowledgements = Acknowledgements(self._evidence.add)
        self._apps = applications(
            self._snapshots,
            self._evidence,
            self._acknowledgements,
            refused_here,
            precedence.give_way,
            https_port=_port(settings.TERMINALS_HTTPS),
            http_port=_port(settings.TERMINALS_HTTP),
        )

    async def serve(self, serving: Serving) -> None:
        listeners.tell_failing({})
        wanted = {name: address for name, address in self._addresses.items() if address}
        if not wanted:
            return
        async with asyncio.TaskGroup() as services:
            services.create_task(self._snapshots.run(serving.ending))
            services.create_task(self._evidence.run())
            try:
                async with asyncio.TaskGroup() as tasks:
                    for name, address in wanted.items():
                        tasks.create_task(self._listen(name, address, serving))
                await self._acknowledgements.end(within=ACKNOWLEDGED_WITHIN)
            finally:
                self._evidence.close()

    async def _listen(self, name: Name, address: str, serving: Serving) -> None:
        pair = None
        if name is not Name.HTTP:
            links = ("next", "current") if name is Name.PROOF else ("current",)
            # Telephones of these years speak TLS 1.2.
            pair = ServedPair(settings.STORE, *links, least=ssl.TLSVersion.TLSv1_2)
        while not serving.ending.is_set():
            # No phone is told that it is unknown because nothing has been read yet.
            if self._snapshots.ready.is_set() and (listener := self._opened(name, address, pair)) is not None:
                await serving.listen(
                    self._apps[name],
                    listener,
                    pair,
                    protocol=TerminalConnection,
                    proxies=settings.TRUSTED_PROXIES,
                    idle=IDLE_TERMINAL,
                    a_round=ACCEPTED_A_ROUND,
                )
                return
            await serving.pause(1)

    def _opened(self, name: Name, address: str, pair: ServedPair | None) -> socket.socket | None:
        if pair is not None and not pair.follow() and pair.context is None:
            return None
        try:
            listener = installation.listen(address, open_to_all=True, at_once=True)
        except installation.InstallationError as error:
            why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else None
            self._tell(name, listeners.Failing(address, why or str(error)))
            return None
        self._tell(name, None)
        return listener

    def _tell(self, name: Name, failing: listeners.Failing | None) -> None:
        """Write down for the pages and the event messages what cannot be opened; it goes on being tried."""
        known = self._failing.pop(name, None)
        if failing is not None:
            self._failing[name] = failing
        if failing != known:
            if failing is not None:
                logger.error("The terminals' listener at %s cannot be opened: %s", failing.address, failing.reason)
            listeners.tell_failing(self._failing)


def _port(address: str) -> int | None:
    return int(address.rpartition(":")[2]) if address else None


class Beside:
    """An event loop in a thread of its own."""

    def __init__(self, serve: Callable[[Serving], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._loop = uvloop.new_event_loop()
        self._serving: Serving | None = None
        self._told_to_end = False

    async def run(self) -> None:
        """Until it ends, or fails with what failed there."""
        with ThreadPoolExecutor(1, "terminals") as thread:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, self._run)
            except asyncio.CancelledError:
                self.end()
                raise

    def end(self) -> None:
        """From any thread; also where it has ended already, for want of a listener."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._serving = Serving()
        if self._told_to_end:
            self._serving.end()
        await self._serve(self._serving)

    def _end(self) -> None:
        self._told_to_end = True
        if self._serving is not None:
            self._serving.end()


def run(plain: socket.socket, https: socket.socket | None) -> int:
    """Until SIGTERM; returns the exit code."""
    # Every connection is a descriptor, and the usual soft limit is 1,024.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # A page that waits for the database gets its turn back after so long, not after ten times that, while phones fetch.
    sys.setswitchinterval(SWITCH_INTERVAL)

    precedence = Precedence()

    async def serve() -> None:
        serving = Serving()
        beside = Beside(lambda serving: Terminals(precedence).serve(serving))
        loop = asyncio.get_running_loop()

        def end() -> None:
            lifeline.end_within(ENDS_WITHIN)
            serving.end()
            beside.end()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Panel(plain, https, precedence).serve(serving))
            tasks.create_task(beside.run())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0
