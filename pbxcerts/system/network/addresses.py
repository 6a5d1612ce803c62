"""Every name is tried at all its addresses (rule every-address).

RFC 8305: the addresses in the order of the resolver (RFC 6724), but the families by turns (section 4); the next attempt begins
when the one before has failed, or after 250 ms beside it (section 5), and the first that succeeds counts. With many addresses
the pauses are shorter, so that all of them are tried in half of the time, whatever the first ones do.

Of the standard library alone. `socket.getaddrinfo` is the seam to the resolver.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import chain, zip_longest
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

ATTEMPT_DELAY = 0.25
"""Seconds: "Connection Attempt Delay" of RFC 8305 section 8."""
_LAST_WORDS = 0.2
"""Seconds in which attempts whose time is over still say why they failed."""

Result = TypeVar("Result")


class SocketAddress(NamedTuple):
    """`address` as sockets of the family take it."""

    family: int
    address: tuple[Any, ...]


class NoAttemptSucceeded(OSError):
    """`errors` in the order in which the attempts failed; those that were still under way when time was over have none."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        super().__init__(
            "; ".join(dict.fromkeys(str(error) or type(error).__name__ for error in errors)) or "timed out"
        )
        self.errors = tuple(errors)


def look_up(host: str, port: int, kind: socket.SocketKind) -> list[SocketAddress]:
    """All addresses of a host. Raises OSError (socket.gaierror) or UnicodeError."""
    return in_turns(socket.getaddrinfo(host, port, type=kind))


def in_turns(found: Iterable[tuple[Any, ...]]) -> list[SocketAddress]:
    """What `getaddrinfo` has found, each address once, its families by turns."""
    addresses = list(dict.fromkeys(SocketAddress(entry[0], entry[4]) for entry in found))
    families = [
        [one for one in addresses if one.family == family] for family in dict.fromkeys(a.family for a in addresses)
    ]
    return [one for one in chain.from_iterable(zip_longest(*families)) if one is not None]


def pause(addresses: int, within: float) -> float:
    """Seconds between the beginnings of two attempts."""
    return max(0.0, min(ATTEMPT_DELAY, within / 2 / max(addresses, 1)))


def first_success(
    addresses: Sequence[SocketAddress], attempt: Callable[[SocketAddress], Result], *, within: float
) -> Result:
    """The result of the first attempt that raises nothing. Raises NoAttemptSucceeded, at the latest after `within` seconds.

    Each attempt is made in a thread of its own and ends by itself in that time; nobody waits for those that are left.
    """
    outcomes: SimpleQueue[tuple[Result | None, Exception | None]] = SimpleQueue()

    def make(address: SocketAddress) -> None:
        try:
            outcomes.put((attempt(address), None))
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            outcomes.put((None, error))

    until = time.monotonic() + within + _LAST_WORDS
    between = pause(len(addresses), within)
    left, under_way = deque(addresses), 0
    errors: list[Exception] = []
    while left or under_way:
        if left:
            Thread(target=make, args=[left.popleft()], daemon=True).start()
            under_way += 1
        try:
            result, error = outcomes.get(timeout=between if left else max(0.0, until - time.monotonic()))
        except Empty:
            if left:
                continue
            break
        under_way -= 1
        if error is None:
            return result  # type: ignore[return-value]
        if not isinstance(error, OSError | ValueError):
            raise error
        errors.append(error)
    raise NoAttemptSucceeded(errors)


async def first_connection(
    attempts: Sequence[Callable[[], Coroutine[Any, Any, Result]]], *, within: float, discard: Callable[[Result], None]
) -> Result:
    """The same in an event loop, whose caller limits the time. What succeeds too late is handed to `discard`."""
    between = pause(len(attempts), within)
    left = deque(attempts)
    tasks: list[asyncio.Task[Result]] = []
    under_way: set[asyncio.Task[Result]] = set()
    errors: list[Exception] = []
    taken: asyncio.Task[Result] | None = None
    try:
        while left or under_way:
            if left:
                tasks.append(asyncio.ensure_future(left.popleft()()))
                under_way.add(tasks[-1])
            done, under_way = await asyncio.wait(
                under_way, timeout=between if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in sorted(done, key=tasks.index):
                error = task.exception()
                if error is None:
                    taken = task
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
        raise NoAttemptSucceeded(errors)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if task is not taken and not task.cancelled() and task.exception() is None:
                discard(task.result())
