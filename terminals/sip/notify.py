"""Send NOTIFYs to many telephones at once and hear what becomes of each."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from terminals.sip.connections import Channel, Connections, Unreached
from terminals.sip.digest import Credentials
from terminals.sip.exchange import Answer, Exchange, Notify, Outcome, Silence
from terminals.sip.hop import Hop, Transport
from terminals.sip.message import Malformed, read_answer
from terminals.sip.timers import Timers
from terminals.sip.transaction import Do, Transaction

__all__ = ["Answer", "Credentials", "Hop", "Notify", "Silence", "Traffic", "Transport", "send"]

logger = logging.getLogger(__name__)

_STARTED_IN_A_ROW = 64


@dataclass
class Traffic:
    """What went over the wire, in messages. `ignored`: by why: a `Fault`, "other_call", "other_address", "repeated"."""

    sent: int = 0
    sent_again: int = 0
    received: int = 0
    ignored: Counter[str] = field(default_factory=Counter)


async def send(
    notifies: Iterable[Notify] | AsyncIterable[Notify],
    *,
    tls: ssl.SSLContext | None = None,
    local: str | None = None,
    at_most: int = 2000,
    traffic: Traffic | None = None,
) -> AsyncGenerator[Answer, None]:
    """Exactly one answer for each NOTIFY, as they come in.

    The longest wait is 10 s for a connection and 32 s after each request; challenges make it several requests.
    `tls`: what next hops over TLS are verified with; without it there must be none. `local`: the source IP address,
    where it is not for the system to choose. `at_most`: how many are under way at a time. `traffic`: is counted into.
    Who stops before the end closes the iterator (`contextlib.aclosing`): what is under way then stays unanswered.
    """
    sending = _Sending(tls=tls, local=local, traffic=traffic if traffic is not None else Traffic())
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


class _Attempt(Transaction):
    """One request of an exchange, which is one transaction."""

    __slots__ = ("channel", "exchange", "octets", "sent_twice")

    def __init__(self, exchange: Exchange, channel: Channel, now: float) -> None:
        super().__init__(now, reliable=channel.reliable)
        self.exchange = exchange
        self.channel = channel
        self.octets = exchange.request(channel.sender())
        self.sent_twice = False


class _Sending:
    def __init__(self, *, tls: ssl.SSLContext | None, local: str | None, traffic: Traffic) -> None:
        self.answers: deque[Answer] = deque()
        self.news = asyncio.Event()
        self.under_way = 0
        self.trouble: BaseException | None = None
        self._tls = tls
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._connections = Connections(self, tls=tls, local=local)
        self._attempts: dict[str, _Attempt] = {}
        """Those whose answer is awaited, by their branch."""
        self._answered: dict[str, float] = {}
        """The branches of those that were answered, until their timer K."""
        self._waiting: dict[Hop, list[Exchange | _Attempt]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._timers = Timers(self._wake)

    async def feed(self, notifies: Iterable[Notify] | AsyncIterable[Notify], at_most: int) -> None:
        started = 0
        async for notify in notifies if isinstance(notifies, AsyncIterable) else _each(notifies):
            while self.under_way >= at_most:
                self._room.clear()
                await self._room.wait()
            if notify.next_hop.transport is Transport.TLS and self._tls is None:
                raise ValueError("a next hop over TLS, and nothing to verify it with")
            self.under_way += 1
            self._send(Exchange(notify), notify.next_hop)
            started += 1
            if started % _STARTED_IN_A_ROW == 0:
                await asyncio.sleep(0)

    async def close(self) -> None:
        self._timers.close()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._connections.close()

    def _send(self, waiting: Exchange | _Attempt, hop: Hop) -> None:
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
        except Unreached as error:
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

    def _write(self, waiting: Exchange | _Attempt, channel: Channel) -> None:
        try:
            if isinstance(waiting, Exchange):
                waiting = self._begin(waiting, channel)
            elif waiting.is_open:
                waiting.channel = channel
                self._traffic.sent_again += 1
            else:
                return
            channel.write(waiting.octets)
        except OSError as error:
            self._fail(waiting, Silence.UNREACHABLE, error)

    def _begin(self, exchange: Exchange, channel: Channel) -> _Attempt:
        """Raises OSError."""
        attempt = _Attempt(exchange, channel, self._loop.time())
        self._attempts[exchange.branch] = attempt
        if attempt.due is not None:
            self._timers.watch(exchange.branch, attempt.due)
        self._traffic.sent += 1
        return attempt

    # -- what the connections tell -----------------------------------------------------------------------------------

    def received(self, octets: bytes, source: str) -> None:
        self._traffic.received += 1
        try:
            answered = read_answer(octets)
        except Malformed as error:
            self.unreadable(error)
            return
        attempt = self._attempts.get(answered.branch)
        if attempt is None:
            self._traffic.ignored["repeated" if answered.branch in self._answered else "other_call"] += 1
            return
        exchange, channel = attempt.exchange, attempt.channel
        if answered.call_id != exchange.call_id or answered.cseq != exchange.cseq or answered.method != "NOTIFY":
            self._traffic.ignored["other_call"] += 1
        elif source != channel.address:
            self._traffic.ignored["other_address"] += 1
        elif attempt.receive(answered.status, self._loop.time()) is Do.TAKE_ANSWER:
            self._close(attempt)
            if attempt.due is not None:
                self._answered[exchange.branch] = attempt.due
            if outcome := exchange.judge(answered):
                self._finish(exchange, outcome)
            elif channel.is_open:
                self._write(exchange, channel)
            else:
                self._send(exchange, channel.hop)

    def unreadable(self, error: Malformed) -> None:
        self._traffic.ignored[error.fault.value] += 1

    def lost(self, channel: Channel) -> None:
        """Each request on it goes once more over a new connection; as it is the same, who has it already knows it."""
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
            forgotten_at = self._answered.get(branch)
            if forgotten_at is not None and forgotten_at <= now:
                del self._answered[branch]
                return None
            return forgotten_at
        match attempt.wake(now):
            case Do.SEND_AGAIN:
                self._traffic.sent_again += 1
                try:
                    attempt.channel.write(attempt.octets)
                except OSError as error:
                    self._fail(attempt, Silence.UNREACHABLE, error)
            case Do.GIVE_UP:
                self._close(attempt)
                self._finish(attempt.exchange, Outcome.silent(Silence.TIMEOUT))
        return attempt.due

    # -- the end of an exchange --------------------------------------------------------------------------------------

    def _fail(self, waiting: Exchange | _Attempt, silence: Silence, why: object = "") -> None:
        if isinstance(waiting, _Attempt):
            if not waiting.is_open:
                return
            waiting.end()
            self._close(waiting)
            waiting = waiting.exchange
        logger.debug("%s: %s %s", waiting.notify.target, silence, why)
        self._finish(waiting, Outcome.silent(silence))

    def _close(self, attempt: _Attempt) -> None:
        """No answer is awaited any more."""
        del self._attempts[attempt.exchange.branch]
        self._connections.answered(attempt.channel)

    def _finish(self, exchange: Exchange, outcome: Outcome) -> None:
        self.answers.append(Answer(exchange.notify.key, *outcome, datetime.now(UTC)))
        self.under_way -= 1
        self._room.set()
        self.news.set()


async def _each(notifies: Iterable[Notify]) -> AsyncIterator[Notify]:
    for notify in notifies:
        yield notify
