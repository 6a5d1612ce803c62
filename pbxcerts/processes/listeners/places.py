"""The places of a listener: how many connections it keeps at once, in all and of one address (rule places-of-a-listener).

A connection without a whole request costs its place first: one in its handshake, with half a request, or idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from pbxcerts.processes.listeners.turns import Turns
from pbxcerts.system.network.one_address import parsed, source_of

GRACE = 2
"""Seconds that a connection keeps its place in any case: so that many who come at once do not cost each other theirs."""
LOOPBACK = ("127.0.0.0/8", "::1/128")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Limits:
    """`of_one`: of one address, or of one network of IPv6 (/64), which one machine has to itself."""

    in_all: int
    of_one: int


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    """The addresses and networks among these words; `*` is every address. What is none has no connection."""
    found: list[Network] = []
    for word in written:
        if word == "*":
            found += [ip_network("0.0.0.0/0"), ip_network("::/0")]
            continue
        try:
            found.append(ip_network(word, strict=False))
        except ValueError:
            continue
    return tuple(found)


def counts_as(exempt: Iterable[Network]) -> Callable[[str], str | None]:
    """The function that says what an address counts as; None where it is exempt, and has no limit of its own."""
    without_limit = tuple(exempt)

    @lru_cache(maxsize=4096)
    def counted(address: str) -> str | None:
        ip = parsed(address)
        if ip is not None and any(ip in network for network in without_limit if network.version == ip.version):
            return None
        return source_of(address)

    return counted


class Place:
    """The place of one connection, which tells it what it waits for. `end` ends the connection at once."""

    __slots__ = ("_crowds", "_places", "_took_turns", "end", "since")

    def __init__(self, places: Places, *crowds: _Crowd) -> None:
        """`crowds`: all connections, and, where they have a limit of their own, those of its address."""
        self._places = places
        self._crowds = crowds
        self._took_turns = False
        self.end: Callable[[], object] = _nothing
        self.since = time.monotonic()
        for crowd in crowds:
            crowd.enter(self)

    def asks(self) -> None:
        """From now on a whole request of the client is waited for."""
        self._move(is_answered=False)

    def is_answered(self) -> None:
        """A whole request has come; from now on its response is made, or waits for the client to take it."""
        self._move(is_answered=True)

    def take_turn(self, then: Callable[[], object]) -> None:
        """The client has sent before it was answered: call `then` when it is its turn (rule in-turn)."""
        if self._crowds:
            self._took_turns = True
            self._places.turns.take_turn(self._crowds[-1].name, self, then)

    def turn_out(self) -> None:
        """End the connection, whatever state it is in."""
        self.end()

    def leave(self) -> None:
        """The connection is over. May be called more than once."""
        crowds, self._crowds = self._crowds, ()
        for crowd in crowds:
            crowd.remove(self)
        if len(crowds) > 1:
            self._places.have_left(crowds[-1])
        if crowds and self._took_turns:
            self._places.turns.leave(crowds[-1].name, self)

    def _move(self, *, is_answered: bool) -> None:
        self.since = time.monotonic()
        for crowd in self._crowds:
            crowd.put(self, is_answered=is_answered)


def _nothing() -> None:
    """There is no connection to end yet."""


class _Crowd:
    """Connections that count together: each kind in the order of how long it has been so. `name`: the address that takes turns; all that
    are exempt count as one there, since no proxy sends before it is answered.
    """

    __slots__ = ("_answered", "_without_request", "name")

    def __init__(self, name: object = None) -> None:
        self.name = name
        self._without_request: dict[Place, None] = {}
        self._answered: dict[Place, None] = {}

    def __len__(self) -> int:
        return len(self._without_request) + len(self._answered)

    def __contains__(self, place: Place) -> bool:
        return place in self._without_request or place in self._answered

    def enter(self, place: Place) -> None:
        self._without_request[place] = None

    def put(self, place: Place, *, is_answered: bool) -> None:
        self.remove(place)
        (self._answered if is_answered else self._without_request)[place] = None

    def remove(self, place: Place) -> None:
        self._without_request.pop(place, None)
        self._answered.pop(place, None)

    def first_to_go(self) -> Place | None:
        """Who makes room for another, if anybody has had his place for long enough."""
        latest = time.monotonic() - GRACE
        for some in (self._without_request, self._answered):
            first = next(iter(some), None)
            if first is not None and first.since <= latest:
                return first
        return None


class Places:
    """The places of one listener. `exempt`: networks whose addresses have no limit of their own. `turns`: those of its event loop."""

    def __init__(self, limits: Limits, exempt: Iterable[Network], turns: Turns) -> None:
        self.turns = turns
        self._limits = limits
        self._all = _Crowd()
        self._sites: dict[object, _Crowd] = {}
        self._counts_as = counts_as(exempt)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, place: Place) -> bool:
        return place in self._all

    @property
    def are_taken(self) -> bool:
        """Whether nobody else is to be let in."""
        return len(self._all) >= self._limits.in_all

    def enter(self, address: str) -> Place | None:
        """A place for a connection from this address; None where others of the address have all that it may have."""
        name = self._counts_as(address)
        if name is None:
            return Place(self, self._all)
        site = self._sites.get(name)
        if site is not None and len(site) >= self._limits.of_one:
            leaves = site.first_to_go()
            if leaves is None:
                return None
            self._turn_out(leaves)
            # It may have been the only one, and have gone with it.
            site = self._sites.get(name)
        if site is None:
            site = self._sites[name] = _Crowd(name)
        return Place(self, self._all, site)

    def make_room(self) -> None:
        """Turn out who is first to go, until one in twenty places is free or nobody is left who may be turned out."""
        enough = self._limits.in_all - max(1, self._limits.in_all // 20)
        while len(self._all) > enough and (leaves := self._all.first_to_go()) is not None:
            self._turn_out(leaves)

    def have_left(self, site: _Crowd) -> None:
        """An address of which nobody has a place any more is forgotten."""
        if not len(site):
            self._sites.pop(site.name, None)

    def _turn_out(self, place: Place) -> None:
        place.leave()
        place.turn_out()
