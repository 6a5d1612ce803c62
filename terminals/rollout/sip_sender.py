"""Ask terminals by SIP: which way a NOTIFY goes, with whose credentials, and a sender that works while the worker writes
(rule notify-way).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import cached_property
from types import TracebackType
from urllib.parse import quote

import uvloop
from cryptography.fernet import MultiFernet

from certificates.pki import formats
from certificates.renewal.situation import Situation
from pbxcerts.system import sealing
from pbxcerts.system.network.endpoint import Endpoint, EndpointError, bracketed
from pbxcerts.system.sealing import SealingError, unseal
from terminals.answer_target import SIP_PORTS, NotifyServer
from terminals.drivers.base import Reaction
from terminals.models import DeliverySettings, NotifyWays, Terminal, Transports
from terminals.rollout.claims import NO_WAY, Ask, AskResult
from terminals.sip.errors import InvalidNotify, Silence
from terminals.sip.hop import Hop, Transport
from terminals.sip.notify import Credentials, Notify, NotifyOutcome, send_notifies

logger = logging.getLogger(__name__)

# RFC 3261 section 25.1: what a user part holds without being escaped.
_USER = "-_.!~*'()&=+$,;?/"
# Reasons that tell a person more than that the terminal is absent.
TELLING = frozenset({Silence.UNRESOLVED, Silence.UNREACHABLE, Silence.UNTRUSTED})
LONGEST_REALM = 253
# Seconds in which answers are collected: one statement stores them, and the next terminals are chosen as rarely.
_CROWD = 0.05


class NoNotifyRoute(Exception):
    """Nothing says where this terminal's NOTIFY is to go, or what it would say is no SIP."""


class SipSender:
    """A `terminals.rollout.rounds.NotifySender` over the network; a context manager. Its event loop runs only while
    answers are awaited.
    """

    def __init__(self, situation: Situation, delivery: DeliverySettings) -> None:
        self._routes = NotifyRoutes(situation, delivery)
        self._asked: dict[int, Ask] = {}
        self._came: list[AskResult] = []
        self._loop = uvloop.new_event_loop()
        self._to_send: asyncio.Queue[Notify] = asyncio.Queue()
        self._news = asyncio.Event()
        self._sending = self._loop.create_task(self._send(server_context(situation), at_most=delivery.at_once))

    def __enter__(self) -> SipSender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sending.cancel()
        with suppress(asyncio.CancelledError, Exception):
            self._loop.run_until_complete(self._sending)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def ask(self, asks: Sequence[Ask]) -> None:
        for ask in asks:
            try:
                notify = self._routes.notify(ask)
            except (NoNotifyRoute, EndpointError, InvalidNotify, SealingError) as error:
                about = {"terminal": ask.terminal.number}
                logger.warning("terminal %s can't be asked: %s", ask.terminal.number, error, extra=about)
                self._came.append(AskResult(ask, 0, Reaction.OTHER, failure=NO_WAY))
            else:
                self._asked[ask.key] = ask
                self._to_send.put_nowait(notify)

    def answers(self, within: timedelta) -> list[AskResult]:
        self._loop.run_until_complete(self._wait(within.total_seconds()))
        came, self._came = self._came, []
        return came

    async def _wait(self, seconds: float) -> None:
        self._news.clear()
        if not self._came:
            waiting = asyncio.ensure_future(self._news.wait())
            await asyncio.wait([waiting, self._sending], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if self._sending.done():
            self._sending.result()
        await asyncio.sleep(_CROWD)

    async def _send(self, tls: ssl.SSLContext, *, at_most: int) -> None:
        async with aclosing(send_notifies(self._notifies(), tls=tls, at_most=at_most)) as answers:
            async for answer in answers:
                self._take(answer)

    async def _notifies(self) -> AsyncIterator[Notify]:
        while True:
            yield await self._to_send.get()

    def _take(self, answer: NotifyOutcome) -> None:
        assert isinstance(answer.key, int)  # noqa: S101 - the key that `notify` has given it
        ask = self._asked.pop(answer.key)
        failure = answer.reason if answer.status is None and answer.reason in TELLING else ""
        self._came.append(
            AskResult(
                ask,
                answer.status or 0,
                answer.reaction,
                retry_after=answer.retry_after,
                failure=answer.unanswered or failure,
                realm=_as_entered(answer.realm),
                realm_proved=self._routes.is_proved(ask.terminal),
            )
        )
        self._news.set()


class NotifyRoutes:
    """Where the NOTIFY of a terminal goes, by the settings of the delivery."""

    def __init__(self, situation: Situation, delivery: DeliverySettings) -> None:
        self._delivery = delivery
        self._server = NotifyServer.of(delivery, situation.general)
        self._domain = self._server.domain

    def notify(self, ask: Ask) -> Notify:
        """Raises NoNotifyRoute, EndpointError (an address that is none), InvalidNotify (what is no SIP) or SealingError (a
        password that can't be read).
        """
        terminal = ask.terminal
        way = way_of(terminal)
        hop = self._through_server() if way == NotifyWays.SERVER else straight_to(terminal)
        domain = bracketed(self._domain) if way == NotifyWays.SERVER else str(hop)
        sender = self._delivery.account_user or "pbxcerts"
        return Notify(
            key=ask.key,
            target=f"sip:{quote(terminal.number, safe=_USER)}@{domain}",
            event=ask.event,
            next_hop=hop,
            credentials=tuple(self._credentials(terminal, way)),
            answers_without_qop=terminal.type.answers_without_qop,
            from_uri=f"sip:{quote(sender, safe=_USER)}@{bracketed(self._domain or 'localhost')}",
        )

    def is_proved(self, terminal: Terminal) -> bool:
        """Whether what comes back came over a connection to the communication server that nobody else can have made."""
        return way_of(terminal) == NotifyWays.SERVER and self._server.proves_itself

    def _through_server(self) -> Hop:
        if not self._server.host:
            raise NoNotifyRoute("neither an outbound proxy nor the communication server has an address")
        return Hop(self._server.host, self._server.port, Transport(self._server.transport))

    @cached_property
    def _keys(self) -> MultiFernet:
        """Raises SealingError."""
        return sealing.key_list()

    def _credentials(self, terminal: Terminal, way: str) -> list[Credentials]:
        found = []
        if terminal.sip_password is not None:
            user, realm = terminal.sip_user or terminal.number, terminal.sip_realm or self._domain
            found.append(Credentials(user, unseal(terminal.sip_password, self._keys).decode(), realm))
        if way == NotifyWays.SERVER and self._delivery.account_password is not None:
            password = unseal(self._delivery.account_password, self._keys).decode()
            found.append(Credentials(self._delivery.account_user, password, self._domain))
        return found


def way_of(terminal: Terminal) -> str:
    return terminal.way or terminal.type.way


def _as_entered(realm: str) -> str:
    """A realm that a person could enter as the terminal's; "" in place of any other, which nobody can take over."""
    return realm if realm.isprintable() and realm == realm.strip() and len(realm) <= LONGEST_REALM else ""


def straight_to(terminal: Terminal) -> Hop:
    """The hop to a terminal's own address. Raises NoNotifyRoute, EndpointError or InvalidNotify."""
    if not terminal.address:
        raise NoNotifyRoute("the terminal has no address in the list")
    transport = Transport(terminal.transport)
    endpoint = Endpoint.parse(terminal.address, default_port=SIP_PORTS[Transports(transport)])
    return Hop(endpoint.host, endpoint.port, transport)


def server_context(situation: Situation) -> ssl.SSLContext:
    """Trusts the roots of the bundle in force and nothing else (rule server-trusted)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots = [pair.root for pair in situation.in_bundle]
    if roots:
        context.load_verify_locations(cadata=formats.pem(*roots).decode())
    return context
