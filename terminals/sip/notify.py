"""Send NOTIFYs to many telephones at once and hear what becomes of each."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable

from terminals.sip.connections import Channel, SipConnections
from terminals.sip.digest import Credentials
from terminals.sip.errors import HopUnreached, MalformedMessage, Silence
from terminals.sip.exchange import ExchangeOutcome, Notify, NotifyExchange, NotifyOutcome
from terminals.sip.hop import Hop, Transport
from terminals.sip.message import SipResponse, read_response
from terminals.sip.timers import TransactionTimers
from terminals.sip.transaction import ClientTransaction, TransactionAction

__all__ = ["Credentials", "Hop", "Notify", "NotifyOutcome", "Transport", "send_notifies"]

logger = logging.getLogger(__name__)

_STARTED_IN_A_ROW = 64


async def send_notifies(
    notifies: Iterable[Notify] | AsyncIterable[Notify],
    *,
    tls: ssl.SSLContext | None = None,
    at_most: int = 2000,
) -> AsyncGenerator[NotifyOutcome, None]:
    """Send NOTIFYs. Exactly one outcome for each, in the order in which they come.

    The longest wait is 10 s for a connection and 32 s after each request; challenges make it several requests. `tls`:
    what next hops over TLS are verified with; without it there must be none. `at_most`: how many are under way at a
    time. A caller that stops early closes the iterator (`contextlib.aclosing`); what is under way then has no outcome.
    """
    sending = _Sending(tls)
    feeding = asyncio.create_task(sending.feed(notifies, at_most))
    feeding.add_done_callback(lambda _: sending.news.set())
    try:
        while True:
            while sending.answers:
                yield sending.answers.popleft()
            if sending.trouble:
                raise sending.trouble
            if feeding.done():
                feeding.result()
                if not sending.under_way:
                    return
            sending.news.clear()
            await sending.news.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await sending.close()


class _Attempt(ClientTransaction):
    """One request of an exchange, which is one transaction."""

    __slots__ = ("channel", "exchange", "moves_at", "octets", "sent_twice")

    def __init__(self, exchange: NotifyExchange, channel: Channel, now: float, given_up_at: float | None) -> None:
        super().__init__(now, reliable=channel.reliable, given_up_at=given_up_at)
        self.exchange = exchange
        self.channel = channel
        # The addresses of a name share the time.
        self.moves_at = now + (self.given_up_at - now) / (1 + len(getattr(channel, "following", ())))
        self.octets = exchange.request(channel.sender())
        self.sent_twice = False


class _Sending:
    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.answers: deque[NotifyOutcome] = deque()
        self.news = asyncio.Event()
        self.under_way = 0
        self.trouble: BaseException | None = None
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._connections = SipConnections(self, tls=tls)
        self._attempts: dict[str, _Attempt] = {}
        """The transactions that await a final response, by their branch."""
        self._waiting: dict[Hop, list[NotifyExchange | _Attempt]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._timers = TransactionTimers(self._wake)

    async def feed(self, notifies: Iterable[Notify] | AsyncIterable[Notify], at_most: int) -> None:
        started = 0
        async for notify in notifies if isinstance(notifies, AsyncIterable) else _each(notifies):
            while self.under_way >= at_most:
                self._room.clear()
                await self._room.wait()
            if notify.next_hop.transport is Transport.TLS and self._tls is None:
                raise ValueError("a next hop over TLS, and nothing to verify it with")
            self.under_way += 1
            self._send(NotifyExchange(notify), notify.next_hop)
            started += 1
            if started % _STARTED_IN_A_ROW == 0:
                await asyncio.sleep(0)

    async def close(self) -> None:
        self._timers.close()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._connections.close()

    def _send(self, waiting: NotifyExchange | _Attempt, hop: Hop) -> None:
        """Send the next request of an exchange, or an attempt whose connection was lost once more."""
        try:
            channel = self._connections.at_hand(hop)
        except OSError as error:
            self._fail(waiting, Silence.UNREACHABLE, error)
            return
        if channel:
            self._write(waiting, channel)
        elif hop in self._waiting:
            self._waiting[hop].append(waiting)
        else:
            self._waiting[hop] = [waiting]
            task = asyncio.create_task(self._open(hop))
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def _open(self, hop: Hop) -> None:
        try:
            channel = await self._connections.open(hop)
        except HopUnreached as error:
            logger.warning("%s:%s over %s: %s", hop.host, hop.port, hop.transport.upper(), error)
            for waiting in self._waiting.pop(hop):
                self._fail(waiting, error.silence)
        else:
            for waiting in self._waiting.pop(hop):
                self._write(waiting, channel)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.trouble = error
            self.news.set()

    def _write(self, waiting: NotifyExchange | _Attempt, channel: Channel, given_up_at: float | None = None) -> None:
        try:
            if isinstance(waiting, NotifyExchange):
                waiting = self._begin(waiting, channel, given_up_at)
            elif waiting.is_open:
                waiting.channel = channel
            else:
                return
            channel.write(waiting.octets)
        except OSError as error:
            if following := self._connections.next_of(channel):
                self._move(waiting, following)
            else:
                self._fail(waiting, Silence.UNREACHABLE, error)

    def _move(self, waiting: NotifyExchange | _Attempt, channel: Channel) -> None:
        """Try another address of the same hop: by a new transaction (RFC 3263 section 4.3), within the time of the first."""
        given_up_at = None
        if isinstance(waiting, _Attempt):
            given_up_at = waiting.given_up_at
            waiting.end()
            self._close(waiting)
            waiting = waiting.exchange
        self._write(waiting, channel, given_up_at)

    def _begin(self, exchange: NotifyExchange, channel: Channel, given_up_at: float | None) -> _Attempt:
        """Raises OSError."""
        attempt = _Attempt(exchange, channel, self._loop.time(), given_up_at)
        self._attempts[exchange.branch] = attempt
        if attempt.due is not None:
            self._timers.watch(exchange.branch, attempt.due)
        return attempt

    # -- what the connections tell -----------------------------------------------------------------------------------

    def received(self, octets: bytes, source: str) -> None:
        try:
            response = read_response(octets)
        except MalformedMessage as error:
            self.unreadable(error)
            return
        attempt = self._attempts.get(response.branch)
        if attempt is None:
            logger.debug("an answer from %s to none of our requests, or to one that is answered", source)
            return
        exchange, channel = attempt.exchange, attempt.channel
        if response.call_id != exchange.call_id or response.cseq != exchange.cseq or response.method != "NOTIFY":
            logger.debug("an answer from %s to none of our requests", source)
        elif source != channel.address:
            logger.debug("an answer from %s that is awaited from %s", source, channel.address)
        else:
            self._connections.has_answered(channel)
            self._take(attempt, response)

    def _take(self, attempt: _Attempt, response: SipResponse) -> None:
        exchange, channel = attempt.exchange, attempt.channel
        if attempt.receive(response.status, self._loop.time()) is TransactionAction.TAKE_RESPONSE:
            self._close(attempt)
            if outcome := exchange.judge(response):
                self._finish(exchange, outcome)
            elif channel.is_open:
                self._write(exchange, channel)
            else:
                self._send(exchange, channel.hop)

    def unreadable(self, error: MalformedMessage) -> None:
        logger.debug("octets that are no answer: %s", error)

    def lost(self, channel: Channel) -> None:
        """Send each request of a lost channel once more over a new one, unchanged: a receiver that has it knows it."""
        self._connections.forget(channel)
        for attempt in [attempt for attempt in self._attempts.values() if attempt.channel is channel]:
            if attempt.sent_twice:
                self._fail(attempt, Silence.CONNECTION_LOST)
            else:
                attempt.sent_twice = True
                self._send(attempt, channel.hop)

    def _wake(self, branch: str, now: float) -> float | None:
        attempt = self._attempts.get(branch)
        if attempt is None:
            return None
        match attempt.wake(now):
            case TransactionAction.SEND_AGAIN if now >= attempt.moves_at and (
                following := self._connections.next_of(attempt.channel)
            ):
                self._move(attempt, following)
            case TransactionAction.SEND_AGAIN:
                try:
                    attempt.channel.write(attempt.octets)
                except OSError as error:
                    self._fail(attempt, Silence.UNREACHABLE, error)
            case TransactionAction.GIVE_UP:
                self._close(attempt)
                self._finish(attempt.exchange, attempt.exchange.silence(Silence.TIMEOUT))
        return attempt.due

    # -- the end of an exchange --------------------------------------------------------------------------------------

    def _fail(self, waiting: NotifyExchange | _Attempt, silence: Silence, why: object = "") -> None:
        if isinstance(waiting, _Attempt):
            if not waiting.is_open:
                return
            waiting.end()
            self._close(waiting)
            waiting = waiting.exchange
        logger.debug("%s: %s %s", waiting.notify.target, silence, why)
        self._finish(waiting, waiting.silence(silence))

    def _close(self, attempt: _Attempt) -> None:
        """No answer is awaited any more."""
        del self._attempts[attempt.exchange.branch]
        self._connections.answered(attempt.channel)

    def _finish(self, exchange: NotifyExchange, outcome: ExchangeOutcome) -> None:
        self.answers.append(NotifyOutcome(exchange.notify.key, *outcome))
        self.under_way -= 1
        self._room.set()
        self.news.set()


async def _each(notifies: Iterable[Notify]) -> AsyncIterator[Notify]:
    for notify in notifies:
        yield notify
