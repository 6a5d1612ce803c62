"""Listeners in one event loop: one uvicorn server each, with TLS where it follows a published pair."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from pbxcerts.processes.listeners.arrival import Door
from pbxcerts.processes.listeners.panel_connection import PatientProtocol
from pbxcerts.processes.listeners.places import Places
from pbxcerts.system.network.forwarded import believe_addresses_only

STOPS_WITHIN = 5
"""Seconds for the requests that are being answered when the process is told to stop."""

logger = logging.getLogger("pbxcerts.web")


class ServedPair:
    """The pair that the first of these links of `store` points to, as a context that is new with each pair
    (rule followed-pair).

    A resumed session would hide a change of the certificate. TLS 1.3 gets no tickets. Under TLS 1.2 OpenSSL resumes sessions by
    itself, which Python cannot turn off; but no context knows the tickets, or the cache, of another one. (Without tickets it
    would keep 20,000 sessions.)
    """

    def __init__(self, store: Callable[[], Path], *links: str, least: ssl.TLSVersion) -> None:
        self._store = store
        self._names = links
        self._least = least
        self._serves: Path | None = None
        self.context: ssl.SSLContext | None = None

    @property
    def number(self) -> int | None:
        """The number of its generation."""
        return int(self._serves.name) if self._serves is not None and self._serves.name.isdecimal() else None

    def follow(self) -> bool:
        """Load what the link points to. Whether that is another pair than before."""
        try:
            store = self._store()
            link = next((store / name for name in self._names if (store / name).is_symlink()), None)
            if link is None or (target := link.resolve(strict=True)) == self._serves:
                return False
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = self._least
            context.num_tickets = 0
            context.load_cert_chain(target / "fullchain.pem", target / "host.key")
        except (OSError, ssl.SSLError) as error:
            logger.warning("The published pair cannot be served: %s", error)
            return False
        self._serves, self.context = target, context
        return True


class HttpListener(uvicorn.Server):
    """One listener; with a pair it follows that. Signals are the process's affair, and an idle one wakes once a second, not ten
    times.
    """

    def __init__(
        self, config: uvicorn.Config, protocol: Any, places: Places, pair: ServedPair | None, *, a_round: int
    ) -> None:
        super().__init__(config)
        self._protocol = protocol
        self._places = places
        self._pair = pair
        self._a_round = a_round
        self._ending = asyncio.Event()
        self._doors: list[Door] = []
        # Of uvicorn's own there are none.
        self.servers = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await self.lifespan.startup()
        believe_addresses_only(self.config)
        for listener in sockets or []:
            door = Door(listener, self._places, self._made, context=self._context, a_round=self._a_round)
            door.open()
            self._doors.append(door)
        self.started = True

    def _context(self) -> ssl.SSLContext | None:
        """The connections that come from now on are made with the pair of now; those that are open go on."""
        return self._pair.context if self._pair is not None else None

    def _made(self) -> Any:
        """What speaks with a client that has just come."""
        made = self._protocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=self._loop,
        )
        made.presents = self._pair.number if self._pair is not None else None
        return made

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1)
            if self._pair is not None:
                self._pair.follow()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.close()
        await super().shutdown(sockets)

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()


class Serving:
    """The listeners of one event loop, until all of them are told to end."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self._listeners: list[HttpListener] = []

    async def listen(
        self,
        app: Any,
        listener: socket.socket,
        places: Places,
        pair: ServedPair | None = None,
        *,
        proxies: list[str],
        idle: int,
        protocol: Any = PatientProtocol,
        a_round: int = 1,
    ) -> None:
        """Serve until the end. What `proxies` say about a client is believed; `idle`: seconds between two requests.

        `a_round`: how many connections one round of the event loop accepts; where thousands come at once much of what each
        costs is its round.
        """
        server = HttpListener(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_keep_alive=idle,
                timeout_graceful_shutdown=STOPS_WITHIN,
            ),
            protocol,
            places,
            pair,
            a_round=a_round,
        )
        self._listeners.append(server)
        if self.ending.is_set():
            server.end()
        await server.serve(sockets=[listener])

    async def pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ending.wait(), seconds)

    def end(self) -> None:
        self.ending.set()
        for listener in self._listeners:
            listener.end()
