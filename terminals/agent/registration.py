"""The registration at the communication server over TLS, so that the NOTIFY comes over that lasting connection
(rule agent-connections).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent import config, schedule
from terminals.agent.errors import AgentError, NotWelcome, ServerUnreached, TrustStoreError
from terminals.agent.https import client_context
from terminals.agent.notify import UserAgentServer, without_scope
from terminals.agent.reach import reach
from terminals.agent.register import RegisterRequest, RegisterRequests, RegistrationGranted
from terminals.agent.store import TrustStore
from terminals.sip.errors import MalformedMessage
from terminals.sip.message import LONGEST_HEAD, MessageFraming, SipResponse, read_response
from terminals.sip.transaction import TIMER_F

PONG_WITHIN = 10.0
"""Seconds (RFC 5626 section 4.4.1)."""
SOONEST_REFRESH = 10.0
"""Seconds, however little the server grants."""
LEAVE_WITHIN = 2.0
"""Seconds to take the registration back when the agent is told to end."""
FAREWELL = 1.0
"""Seconds to close TLS (close_notify) with the server."""

logger = logging.getLogger("pbxcerts-agent")


class Registration:
    """`asked` is called with the server that asks for a round."""

    def __init__(self, wanted: config.RegistrationConfig, store: TrustStore, asked: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._store = store
        self._asked = asked
        self._requests = RegisterRequests(wanted)
        self._store_changed = asyncio.Event()
        self._failures = 0
        self._is_well = False

    def try_now(self) -> None:
        """Try at once, because the trust store has changed; a connection that is open stays as it is."""
        if not self._is_well:
            self._store_changed.set()

    async def run(self) -> None:
        """Keep the registration until cancelled, then take it back."""
        while True:
            self._store_changed.clear()
            wait = await self._attempt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._store_changed.wait()

    async def _attempt(self) -> float:
        """Register and stay registered while the connection lasts. Returns the seconds until the next attempt."""
        chance = random.random()  # noqa: S311 - it spreads load
        try:
            flow = await self._connect()
            try:
                await self._stay(flow)
            except asyncio.CancelledError:
                await self._leave(flow)
                raise
            finally:
                await flow.close()
        except AgentError as error:
            wait = schedule.until_registering(self._failures, chance)
            logger.warning("Not registered: %s. Next attempt in %.0f s.", error, wait)
        except Exception:
            wait = schedule.until_registering(self._failures, chance)
            logger.exception("Not registered. Next attempt in %.0f s.", wait)
        self._failures, self._is_well = self._failures + 1, False
        return wait

    async def _connect(self) -> Flow:
        server, trusted = self._wanted.server, self._store.trusted()
        if not trusted:
            raise TrustStoreError("nothing is trusted yet")
        context, loop = client_context(trusted), asyncio.get_running_loop()

        def connect(address: str) -> Awaitable[tuple[asyncio.Transport, Flow]]:
            return loop.create_connection(
                lambda: Flow(str(server), self._asked),
                address,
                server.port,
                ssl=context,
                server_hostname=server.host,
                ssl_shutdown_timeout=FAREWELL,
            )

        _, flow = await reach(server, connect)
        return flow

    async def _stay(self, flow: Flow) -> None:
        """Raises NotWelcome and ServerUnreached."""
        loop = asyncio.get_running_loop()
        while True:
            granted = await self._register(flow)
            if not granted.seconds:
                raise NotWelcome("the server keeps no registration")
            # Once an hour the same line would hide the others.
            level = logging.DEBUG if self._is_well else logging.INFO
            logger.log(level, "Registered as %s for %d s.", self._wanted.address, granted.seconds)
            self._failures, self._is_well = 0, True
            refresh_at = loop.time() + max(SOONEST_REFRESH, granted.seconds / 2)
            pause = granted.keep_alive * random.uniform(0.8, 1.0)  # noqa: S311 - RFC 5626 section 4.4.1
            while (left := refresh_at - loop.time()) > 0:
                await flow.wait(min(left, pause))
                if left > pause:
                    await flow.ping()

    async def _register(self, flow: Flow, *, leave: bool = False) -> RegistrationGranted:
        self._requests.begin(flow.own, leave=leave)
        while True:
            response = await flow.ask(self._requests.write())
            if granted := self._requests.judge(response):
                return granted

    async def _leave(self, flow: Flow) -> None:
        # Whatever happens here: the agent ends.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._register(flow, leave=True)


class Flow(asyncio.Protocol):
    """A connection to the server: one request of ours at a time, and the server's. `own`: our address and port."""

    own: str
    _transport: asyncio.Transport

    def __init__(self, server: str, asked: Callable[[str], None]) -> None:
        self._server = server
        self._asked = asked
        self._framing = MessageFraming()
        loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[str] = loop.create_future()
        self._request: RegisterRequest | None = None
        self._answer: asyncio.Future[SipResponse] = loop.create_future()
        self._pong: asyncio.Future[None] = loop.create_future()
        self._answers_pings = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        source, self._port = self._transport.get_extra_info("peername")[:2]
        self._source = without_scope(source)
        host, port = self._transport.get_extra_info("sockname")[:2]
        self.own = str(Endpoint(without_scope(host), port))
        self._responder = UserAgentServer([ipaddress.ip_network(self._source)])

    async def ask(self, request: RegisterRequest) -> SipResponse:
        """Send a request and wait for its final response. Raises ServerUnreached."""
        self._request, self._answer = request, asyncio.get_running_loop().create_future()
        self._transport.write(request.octets)
        if not await self.wait(TIMER_F, self._answer):
            raise ServerUnreached(f"{self._server} did not answer within {TIMER_F:.0f} s")
        return self._answer.result()

    async def ping(self) -> None:
        """Keep alive (RFC 5626 section 3.5.1). A server that has never answered a ping need not answer this one. Raises
        ServerUnreached.
        """
        self._pong = asyncio.get_running_loop().create_future()
        self._transport.write(b"\r\n\r\n")
        if await self.wait(PONG_WITHIN, self._pong):
            self._answers_pings = True
        elif self._answers_pings:
            raise ServerUnreached(f"{self._server} does not answer keep-alives any more")

    async def wait(self, seconds: float, awaited: asyncio.Future[Any] | None = None) -> bool:
        """Wait until `awaited` is done, at most so long; whether it is. Raises ServerUnreached if the connection ends."""
        futures: list[asyncio.Future[Any]] = [self._lost, awaited] if awaited else [self._lost]
        await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if awaited and awaited.done():
            return True
        if self._lost.done():
            raise ServerUnreached(f"{self._server} {self._lost.result()}")
        return False

    async def close(self) -> None:
        """Return when it is closed."""
        self._transport.close()
        await asyncio.wait([self._lost], timeout=2 * FAREWELL)

    def data_received(self, octets: bytes) -> None:
        if octets.startswith(b"\r\n") and not self._pong.done():
            self._pong.set_result(None)
        try:
            for message in self._framing.feed(octets):
                if self._transport.is_closing():
                    return
                self._take(message)
        except MalformedMessage as error:
            # Where one message ends is not known any more, nor where the next one begins.
            self._end(f"sent what cannot be understood: {error}")

    def _take(self, message: bytes) -> None:
        if message.startswith(b"SIP/"):
            self._take_response(message)
        elif reply := self._responder.reply(message, self._source, self._port):
            self._transport.write(reply.octets)
            if reply.asked:
                self._asked(self._server)
            if self._transport.get_write_buffer_size() > LONGEST_HEAD:
                self._end("asks and does not read the answers")

    def _take_response(self, message: bytes) -> None:
        try:
            response = read_response(message)
        except MalformedMessage as error:
            logger.debug("TLS: %s", error)
            return
        if self._request and self._request.is_answered_by(response) and not self._answer.done():
            self._answer.set_result(response)

    def _end(self, why: str) -> None:
        self.connection_lost(None, why)
        self._transport.abort()

    def connection_lost(self, error: Exception | None, why: str = "has ended the connection") -> None:
        if not self._lost.done():
            self._lost.set_result(f"{why}: {error}" if error else why)
