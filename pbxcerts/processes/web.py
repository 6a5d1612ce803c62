"""The web process as a child of `up`, which holds the listening sockets.

Two event loops, each in a thread of its own, with one uvicorn server per listener: one round of the terminals' is a thousand
phones long, and no page waits for that. Django stays WSGI and runs in eight threads; a thread is only ever given a whole
request and never waits for a client (`pbxcerts.processes.listeners.whole_requests`), so that clients that say nothing keep nobody waiting
(rules two-loops, whole-requests).
"""

import asyncio
import logging
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import uvloop
from a2wsgi import WSGIMiddleware
from django.conf import settings

from certificates.renewal.served_copy import keep_served_copy, served_from
from pbxcerts.health.endpoints import HealthEndpoints
from pbxcerts.health.own_state import OwnState
from pbxcerts.health.requests import TracedRequests
from pbxcerts.processes import lifeline, memory, startup
from pbxcerts.processes.listeners.admission import Admission
from pbxcerts.processes.listeners.budget import Budget
from pbxcerts.processes.listeners.event_loop_thread import EventLoopThread
from pbxcerts.processes.listeners.places import LOOPBACK, Limits, Network, Places, counts_as, networks
from pbxcerts.processes.listeners.precedence import Precedence
from pbxcerts.processes.listeners.serving import STOPS_WITHIN, ServedPair, Serving
from pbxcerts.processes.listeners.turns import Turns
from pbxcerts.processes.listeners.whole_requests import WholeRequests, in_one_go
from pbxcerts.processes.presence import Presence
from pbxcerts.system import run_files
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.run_files import FAILING_LISTENERS, FailingListener
from pbxcerts.wsgi import application
from terminals.evidence.journal import Journal
from terminals.evidence.queue import EvidenceQueue
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.connection import TerminalConnection
from terminals.web.refusals import refused_here
from terminals.web.snapshot import Snapshots
from terminals.web.tables import ListenerName, applications

if TYPE_CHECKING:
    from pbxcerts.health.request_times import RequestTimes

PANEL_HTTPS = "panel_https"
THREADS = 8
ENDS_WITHIN = STOPS_WITHIN + 5
IDLE = 75
"""Seconds that a connection of a browser may wait for the next request."""
IDLE_TERMINAL = 15
ACCEPTED_A_ROUND = 8
PLACES = Limits(in_all=160, of_one=40)
"""Of a panel's listener: a browser has six connections, and some people share an address."""
PLACES_FOR_TERMINALS = Limits(in_all=2000, of_one=600)
"""Of a terminals' listener: a site has one address behind NAT, and 500 telephones are asked at once (rule places)."""
ACKNOWLEDGED_WITHIN = 3
"""Seconds that the last files may take to arrive when the process is told to stop."""
TURN, TURN_FOR_TERMINALS = 0.05, 0.002
"""Seconds between two requests of one address that do not wait for their answers (rule in-turn)."""
BODIES = Limits(in_all=8_000_000, of_one=5_000_000)
"""Octets that are kept of all the panel's requests; a file that is sent to us has at most 2.5 million."""
RESPONSES = Limits(in_all=16_000_000, of_one=16_000_000)
"""Octets of its responses that are not taken yet."""
INSIDE = 4
"""Requests of one address of which a thread makes the response, or whose response is not taken yet (rule few-inside)."""
SWITCH_INTERVAL = 0.0005
"""Seconds that a thread may keep the others from running."""

logger = logging.getLogger("pbxcerts.web")


def _exempt() -> tuple[Network, ...]:
    """A proxy stands for its clients, and what runs on this machine could do anything anyway."""
    return networks([*LOOPBACK, *settings.TRUSTED_PROXIES])


def terminals_addresses() -> dict[ListenerName, Endpoint]:
    """Where terminals reach us, without the listeners that are off."""
    addresses = {
        ListenerName.HTTPS: settings.TERMINALS_HTTPS,
        ListenerName.HTTP: settings.TERMINALS_HTTP,
        ListenerName.PROOF: settings.TERMINALS_PROOF,
    }
    return {name: at for name, at in addresses.items() if at}


class PanelListeners:
    """The listeners of the panel. The terminals' listeners have tables of paths of their own (rule listener-tables)."""

    def __init__(
        self,
        plain: socket.socket,
        https: socket.socket | None,
        precedence: Precedence,
        own: OwnState,
        times: "RequestTimes | None",
    ) -> None:
        # The queue has no end: a response is made of what is in memory, and a thread must not wait for a slow reader.
        threads = WSGIMiddleware(in_one_go(application, precedence), workers=THREADS, send_queue_size=0)
        pages = WholeRequests(
            cast("Any", threads),
            limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0,
            bodies=Budget(BODIES),
            responses=Budget(RESPONSES),
            admission=Admission(INSIDE),
            counts_as=counts_as(_exempt()),
        )
        health = HealthEndpoints(pages, own, path=settings.URL_PATH, token=settings.METRICS_TOKEN, times=times)
        self._app = TracedRequests(health, proxies=settings.TRUSTED_PROXIES, times=times)
        self._own = own
        self._turns = Turns(TURN)
        self._plain = plain
        self._https = https
        # Every browser of today speaks TLS 1.3.
        self._pair = ServedPair(served_from, "current", least=ssl.TLSVersion.TLSv1_3)

    async def serve(self, serving: Serving) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                serving.listen(self._app, self._plain, self._places(), proxies=settings.TRUSTED_PROXIES, idle=IDLE)
            )
            if self._https is not None and await self._can_open(self._https, serving):
                tasks.create_task(
                    serving.listen(self._app, self._https, self._places(), self._pair, proxies=[], idle=IDLE)
                )

    def _places(self) -> Places:
        return Places(PLACES, _exempt(), self._turns)

    async def _can_open(self, listener: socket.socket, serving: Serving) -> bool:
        """Wait until there is a pair, and listen as soon as the port allows it. False if the process ends before."""
        while not serving.ending.is_set():
            if self._pair.follow() or self._pair.context is not None:
                try:
                    listener.listen()
                except OSError as error:
                    logger.error("The panel cannot be served over HTTPS: %s", error)
                else:
                    run_files.https_opened(listener.getsockname()[1])
                    self._own.open.add(PANEL_HTTPS)
                    return True
            await serving.pause(1)
        return False


class TerminalListeners:
    """The listeners of the terminals. Each opens by itself: once its port is free and, with TLS, there is a pair."""

    def __init__(self, precedence: Precedence, own: OwnState, times: "RequestTimes | None") -> None:
        self._evidence = EvidenceQueue(
            others_first=lambda: precedence.is_taken,
            afterwards=memory.give_back,
            journal=Journal(settings.DATA / "run"),
        )
        self._snapshots = Snapshots(with_other_pairs=keep_served_copy)
        self._turns = Turns(TURN_FOR_TERMINALS)
        self._wanted = terminals_addresses()
        self._own = own
        own.has_files = self._snapshots.ready.is_set
        own.evidence = lambda: (self._evidence.waiting, self._evidence.dropped)
        self._failing: dict[str, FailingListener] = {}
        self._acknowledgements = Acknowledgements(self._evidence.add)
        self._apps = applications(
            self._snapshots,
            self._evidence,
            self._acknowledgements,
            refused_here,
            precedence.give_way,
            times,
            https_port=self._port(ListenerName.HTTPS),
            http_port=self._port(ListenerName.HTTP),
        )

    def _port(self, name: ListenerName) -> int | None:
        return self._wanted[name].port if name in self._wanted else None

    async def serve(self, serving: Serving) -> None:
        FAILING_LISTENERS.write(settings.DATA, {})
        if not self._wanted:
            return
        async with asyncio.TaskGroup() as services:
            services.create_task(self._snapshots.run(serving.ending))
            services.create_task(self._evidence.run())
            try:
                async with asyncio.TaskGroup() as tasks:
                    for name, address in self._wanted.items():
                        tasks.create_task(self._listen(name, address, serving))
                await self._acknowledgements.end(within=ACKNOWLEDGED_WITHIN)
            finally:
                self._evidence.close()

    async def _listen(self, name: ListenerName, address: Endpoint, serving: Serving) -> None:
        pair = None
        if name is not ListenerName.HTTP:
            # (rule presented)
            links = ("next", "current") if name is ListenerName.PROOF else ("current",)
            # Telephones of these years speak TLS 1.2.
            pair = ServedPair(served_from, *links, least=ssl.TLSVersion.TLSv1_2)
        while not serving.ending.is_set():
            # No phone is told that it is unknown because nothing has been read yet.
            if self._snapshots.ready.is_set() and (listener := self._opened(name, address, pair)) is not None:
                await serving.listen(
                    self._apps[name],
                    listener,
                    Places(PLACES_FOR_TERMINALS, _exempt(), self._turns),
                    pair,
                    protocol=TerminalConnection,
                    proxies=settings.TRUSTED_PROXIES,
                    idle=IDLE_TERMINAL,
                    a_round=ACCEPTED_A_ROUND,
                )
                return
            await serving.pause(1)

    def _opened(self, name: ListenerName, address: Endpoint, pair: ServedPair | None) -> socket.socket | None:
        if pair is not None and not pair.follow() and pair.context is None:
            return None
        try:
            listener = startup.listen(address, open_to_all=True, at_once=True)
        except startup.StartupError as error:
            why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else None
            self._tell(name, FailingListener(str(address), why or str(error)))
            return None
        self._tell(name, None)
        self._own.open.add(f"terminals_{name}")
        return listener

    def _tell(self, name: ListenerName, failing: FailingListener | None) -> None:
        """Write down for the pages and the event messages what cannot be opened; it goes on being tried."""
        known = self._failing.pop(name, None)
        if failing is not None:
            self._failing[name] = failing
        if failing != known:
            if failing is not None:
                logger.error("The terminals' listener at %s cannot be opened: %s", failing.address, failing.reason)
            FAILING_LISTENERS.write(settings.DATA, self._failing)


def _request_times() -> "RequestTimes | None":
    """None, and nothing is loaded, where nobody asks for metrics (rule metrics-when-asked)."""
    if not settings.METRICS_TOKEN:
        return None
    from pbxcerts.health.request_times import RequestTimes

    return RequestTimes()


def run(plain: socket.socket, https: socket.socket | None, works: Callable[[], None]) -> int:
    """Run the web process until SIGTERM; `works` is called when the panel is served. Returns the exit code."""
    # Every connection is a descriptor, and the usual soft limit is 1,024.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # A page that waits for the database gets its turn back after so long, not after ten times that, while phones fetch.
    sys.setswitchinterval(SWITCH_INTERVAL)

    precedence = Precedence()
    for_terminals = {f"terminals_{name}" for name in terminals_addresses()}
    own = OwnState(for_terminals | ({PANEL_HTTPS} if https else set()), serves_terminals=bool(for_terminals))
    times = _request_times()

    async def serve() -> None:
        serving = Serving()
        beside = EventLoopThread(lambda serving: TerminalListeners(precedence, own, times).serve(serving))
        loop = asyncio.get_running_loop()

        def end() -> None:
            lifeline.end_within(ENDS_WITHIN)
            serving.end()
            beside.end()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(PanelListeners(plain, https, precedence, own, times).serve(serving))
            tasks.create_task(beside.run())
            tasks.create_task(Presence().run(serving))
            # Not before both have begun.
            await asyncio.sleep(0)
            works()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0
