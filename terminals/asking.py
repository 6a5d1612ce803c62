"""Ask terminals by SIP: which way a NOTIFY goes, with whose credentials, and a sender that works while the worker writes.

The way through the communication server is the default, because a phone on a lasting TLS connection, or with a whitelist,
takes a NOTIFY only from there; straight to the terminal's address is the second way (DESIGN 3.7).
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

from certificates import host_keys
from certificates.host_keys import HostKeyError
from certificates.pki import formats
from certificates.situation import Situation
from terminals.claims import NO_WAY, Answered, Ask
from terminals.credentials import unseal
from terminals.drivers.base import Reaction
from terminals.models import DeliverySettings, Terminal, Ways
from terminals.sip.exchange import Silence
from terminals.sip.hop import Hop, Transport, bracketed
from terminals.sip.notify import Answer, Credentials, Notify, send

logger = logging.getLogger(__name__)

# RFC 3261 section 25.1: what a user part holds without being escaped.
_USER = "-_.!~*'()&=+$,;?/"
# What tells a person more than that nobody is there.
TELLING = frozenset({Silence.UNRESOLVED, Silence.UNREACHABLE, Silence.UNTRUSTED})
PORTS = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}
# Answers come in crowds, and a crowd is written with one statement; those who are asked next are looked for as rarely.
_CROWD = 0.05


class NoWay(Exception):
    """Nothing says where this terminal's NOTIFY is to go, or what it would say is no SIP."""


class SipSender:
    """A `terminals.rollout.Sender` over the network; a context manager. Its event loop runs only while answers are awaited."""

    def __init__(self, situation: Situation, delivery: DeliverySettings) -> None:
        self._routes = Routes(situation, delivery)
        self._asked: dict[int, Ask] = {}
        self._came: list[Answered] = []
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
            except (NoWay, ValueError, HostKeyError) as error:
                logger.warning("terminal %s can't be asked: %s", ask.terminal.number, error)
                self._came.append(Answered(ask, 0, Reaction.OTHER, failure=NO_WAY))
            else:
                self._asked[ask.key] = ask
                self._to_send.put_nowait(notify)

    def answers(self, within: timedelta) -> list[Answered]:
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
        async with aclosing(send(self._notifies(), tls=tls, at_most=at_most)) as answers:
            async for answer in answers:
                self._take(answer)

    async def _notifies(self) -> AsyncIterator[Notify]:
        while True:
            yield await self._to_send.get()

    def _take(self, answer: Answer) -> None:
        assert isinstance(answer.key, int)  # noqa: S101 - the key that `notify` has given it
        ask = self._asked.pop(answer.key)
        failure = answer.reason if answer.status is None and answer.reason in TELLING else ""
        self._came.append(
            Answered(ask, answer.status or 0, answer.reaction, retry_after=answer.retry_after, failure=failure)
        )
        self._news.set()


class Routes:
    """Where the NOTIFY of a terminal goes, by the settings of the delivery."""

    def __init__(self, situation: Situation, delivery: DeliverySettings) -> None:
        general = situation.general
        self._delivery = delivery
        self._server = delivery.proxy_host or general.fqdn or next(iter(general.ip_addresses), "")
        self._domain = delivery.sip_domain or self._server

    def notify(self, ask: Ask) -> Notify:
        """Raises NoWay, ValueError (what is no SIP) or HostKeyError (a password that can't be read)."""
        terminal = ask.terminal
        way = terminal.way or terminal.type.way
        hop = self._through_server() if way == Ways.SERVER else straight_to(terminal)
        domain = bracketed(self._domain) if way == Ways.SERVER else f"{bracketed(hop.host)}:{hop.port}"
        sender = self._delivery.account_user or "pbxcerts"
        return Notify(
            key=ask.key,
            target=f"sip:{quote(terminal.number, safe=_USER)}@{domain}",
            event=ask.event,
            next_hop=hop,
            credentials=tuple(self._credentials(terminal, way)),
            from_uri=f"sip:{quote(sender, safe=_USER)}@{bracketed(self._domain or 'localhost')}",
        )

    def _through_server(self) -> Hop:
        if not self._server:
            raise NoWay("neither an outbound proxy nor the communication server has an address")
        return Hop(self._server, self._delivery.proxy_port, Transport(self._delivery.proxy_transport))

    @cached_property
    def _keys(self) -> MultiFernet:
        """Raises HostKeyError."""
        return host_keys.key_list()

    def _credentials(self, terminal: Terminal, way: str) -> list[Credentials]:
        found = []
        if terminal.sip_password is not None:
            user = terminal.sip_user or terminal.number
            found.append(
                Credentials(user, unseal(terminal.sip_password, self._keys), terminal.sip_realm or self._domain)
            )
        if way == Ways.SERVER and self._delivery.account_password is not None:
            account = self._delivery.account_user
            found.append(Credentials(account, unseal(self._delivery.account_password, self._keys), self._domain))
        return found


def straight_to(terminal: Terminal) -> Hop:
    """Of `IP` or `IP:port`, IPv6 with a port in brackets. Raises NoWay or ValueError."""
    if not terminal.address:
        raise NoWay("the terminal has no address in the list")
    transport = Transport(terminal.transport)
    host, separator, port = terminal.address.rpartition(":")
    if not separator or (":" in host and not host.endswith("]")):
        return Hop(terminal.address.strip("[]"), PORTS[transport], transport)
    return Hop(host.strip("[]"), int(port), transport)


def server_context(situation: Situation) -> ssl.SSLContext:
    """Trusts the roots of the bundle in force and nothing else: whichever pair the server presents, it is ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots = [pair.root for pair in situation.in_bundle]
    if roots:
        context.load_verify_locations(cadata=formats.pem(*roots).decode())
    return context
