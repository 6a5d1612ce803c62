"""The web process as a child of `up`, which holds the listening sockets.

One event loop with one uvicorn server per listener. Django stays WSGI and runs in eight threads; a thread is only ever given a
whole request and never waits for a client (`pbxcerts.requests`), so that clients that say nothing keep nobody waiting.
"""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvloop
from a2wsgi import WSGIMiddleware
from django.conf import settings

from pbxcerts import lifeline, listeners
from pbxcerts.requests import PatientProtocol, WholeRequests
from pbxcerts.wsgi import application

THREADS = 8
STOPS_WITHIN = 5
"""Seconds for the requests that are being answered when the process is told to stop."""

logger = logging.getLogger("pbxcerts.web")


class Listener(uvicorn.Server):
    """One listener. Signals are the process's affair, and an idle one wakes once a second, not ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1)

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()


class ServedPair:
    """The pair that STORE/current points to, as a context that takes the next one without dropping a connection."""

    def __init__(self, store: Path) -> None:
        self._current = store / "current"
        self._serves: Path | None = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A resumed session would hide a change of the certificate. Under TLS 1.2 OpenSSL resumes sessions from a cache of its
        # own, too, which Python cannot turn off; every browser of today speaks TLS 1.3.
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.num_tickets = 0
        self.context.options |= ssl.OP_NO_TICKET

    def follow(self) -> bool:
        """Load what `current` points to, if it is another one. Whether there is a pair to serve."""
        try:
            target = self._current.resolve(strict=True)
            if target != self._serves:
                self.context.load_cert_chain(target / "fullchain.pem", target / "host.key")
                self._serves = target
        except (OSError, ssl.SSLError) as error:
            if self._current.is_symlink():
                logger.warning("The published pair cannot be served: %s", error)
        return self._serves is not None


class Panel:
    """The panel's listeners. A terminal's listener gets a URL table of its own, never this one."""

    def __init__(self, plain: socket.socket, https: socket.socket | None) -> None:
        # The queue has no end: a response is made of what is in memory, and a thread must not wait for a slow reader.
        threads = WSGIMiddleware(cast("Any", application), workers=THREADS, send_queue_size=0)
        self._app = WholeRequests(cast("Any", threads), limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
        self._proxies: list[str] = settings.TRUSTED_PROXIES
        self._plain = plain
        self._https = https
        self._pair = ServedPair(settings.STORE)
        self._listeners: list[Listener] = []
        self._ending = asyncio.Event()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(self._plain))
            if self._https is not None and await self._can_open(self._https):
                tasks.create_task(self._listen(self._https, self._pair.context))
                await self._follow_current()

    async def _can_open(self, listener: socket.socket) -> bool:
        """Wait until there is a pair and the port is ours; False where the process ends before."""
        while not self._ending.is_set():
            if self._pair.follow():
                try:
                    listener.listen()
                except OSError as error:
                    logger.error("The panel cannot be served over HTTPS: %s", error)
                else:
                    listeners.https_opened(listener.getsockname()[1])
                    return True
            await self._second()
        return False

    async def _follow_current(self) -> None:
        while not self._ending.is_set():
            self._pair.follow()
            await self._second()

    async def _second(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), 1)

    async def _listen(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        server = Listener(
            uvicorn.Config(
                self._app,
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(self._proxies) and context is None,
                forwarded_allow_ips=self._proxies,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=STOPS_WITHIN,
                ssl_context_factory=None if context is None else lambda _config, _default: context,
            )
        )
        self._listeners.append(server)
        if self._ending.is_set():
            server.end()
        await server.serve(sockets=[listener])

    def _end(self) -> None:
        lifeline.end_within(STOPS_WITHIN + 5)
        self._ending.set()
        for listener in self._listeners:
            listener.end()


def run(plain: socket.socket, https: socket.socket | None) -> int:
    """Until SIGTERM; returns the exit code."""
    # Every connection is a descriptor, and the usual soft limit is 1,024.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def serve() -> None:
        await Panel(plain, https).serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0
