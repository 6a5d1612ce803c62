"""Ask NTP servers for the time (RFC 5905), and take no answer that cannot be trusted (rule ntp-answers).

A server that gives no usable answer is no error but a `NtpFailure` with its reason: the others still count.
ntplib packs and unpacks; it checks nothing itself, its own client takes the first address of a name alone
(rule every-address), and it cannot ask at all where the machine's clock stands after February 2036, so the exchange is done here.
"""

from __future__ import annotations

import enum
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from threading import Thread
from typing import Any

import ntplib

from pbxcerts.system.network.addresses import NoAttemptSucceeded, SocketAddress, first_success, look_up
from pbxcerts.system.network.endpoint import Endpoint, EndpointError, EndpointFault

NTP_PORT = 123
AGREE_WITHIN = timedelta(seconds=1)
LONGEST_DELAY = 5.0
TICK = 1 / 64
"""Seconds between two ticks of the coarsest clocks that serve time: such a server seems to answer before it is asked."""
ERA = 2**32
"""Seconds after which NTP's timestamps begin anew, next in 2036 (RFC 5905, section 6)."""
PACKET_LENGTH = 48
LEAP_UNSYNCHRONISED = 3
MODE_SERVER = 4
HIGHEST_STRATUM = 15

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?", re.IGNORECASE)


class NtpFault(enum.StrEnum):
    """Why a server's answer does not count."""

    UNRESOLVED = "unresolved"
    """Its name leads to no address, or not in time."""
    UNREACHABLE = "unreachable"
    """The network says that nobody is there."""
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    """Too short, not from a server, or without the time."""
    ORIGIN = "origin"
    """It answers another question than ours: late, or forged."""
    KISS_OF_DEATH = "kiss_of_death"
    """The server asks not to be asked (RFC 5905, section 7.4)."""
    STRATUM = "stratum"
    LEAP = "leap"
    """The server says that its own clock is not set."""
    DELAY = "delay"
    """Negative or longer than 5 s: the answer was long under way, or the machine's clock was set meanwhile."""


@dataclass(frozen=True)
class NtpAnswer:
    """A server's answer. `offset` is the server's time minus the machine's; `address` is where it came from, `others` are where else
    its name leads.
    """

    server: str
    address: str
    offset: timedelta
    delay: timedelta
    stratum: int
    leap: int
    others: frozenset[str] = frozenset()

    def is_of_another_server(self, other: NtpAnswer) -> bool:
        """Two names that lead to one address are one server, whichever of its addresses was quicker."""
        return not (self.others | {self.address}) & (other.others | {other.address})


@dataclass(frozen=True)
class NtpFailure:
    """No usable answer. `kiss_code` is the code of a kiss of death, "RATE" for example."""

    server: str
    reason: NtpFault
    kiss_code: str = ""


@dataclass(frozen=True)
class NtpSurvey:
    """What all servers said, in the order in which they were given."""

    outcomes: tuple[NtpAnswer | NtpFailure, ...]

    @property
    def answers(self) -> list[NtpAnswer]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, NtpAnswer)]

    def median(self) -> NtpAnswer | None:
        """The answer with the median offset, of two middle ones the nearer to zero (rule ntp-offset)."""
        ordered = sorted(self.answers, key=lambda answer: answer.offset)
        if not ordered:
            return None
        middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
        return min(middle, key=lambda answer: abs(answer.offset))

    @property
    def agreed(self) -> bool:
        """Whether a second server confirms the median within 1 s. Two names of one address are one server."""
        median = self.median()
        return median is not None and any(
            answer.is_of_another_server(median) and abs(answer.offset - median.offset) <= AGREE_WITHIN
            for answer in self.answers
        )

    @property
    def disagreed(self) -> bool:
        """Whether two servers differ by more than 1 s."""
        offsets = [answer.offset for answer in self.answers]
        return bool(offsets) and max(offsets) - min(offsets) > AGREE_WITHIN


def parse_ntp_server(text: str) -> Endpoint:
    """Read `host` or `host:port`, names in the form that is looked up. Raises EndpointError."""
    endpoint = Endpoint.parse(text, default_port=NTP_PORT)
    return Endpoint(_parse_host(endpoint.host), endpoint.port)


def ask(servers: Sequence[str], *, timeout: float = 5.0) -> NtpSurvey:
    """Ask all servers at the same time; `timeout` is in seconds and holds for all of it, looking up names included."""
    outcomes: dict[str, NtpAnswer | NtpFailure] = {
        server: NtpFailure(server, NtpFault.UNRESOLVED) for server in servers
    }
    deadline = time.monotonic() + timeout

    def ask_one(server: str) -> None:
        outcomes[server] = _ask_one(server, deadline)

    # Nothing can interrupt a look-up whose name server is silent: a daemon thread is left behind, and keeps no one.
    threads = [Thread(target=ask_one, args=[server], daemon=True) for server in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()) + 0.5)
    return NtpSurvey(tuple(outcomes.values()))


def _ask_one(server: str, deadline: float) -> NtpAnswer | NtpFailure:
    try:
        endpoint = parse_ntp_server(server)
        found = look_up(endpoint.host, endpoint.port, socket.SOCK_DGRAM)
    except (OSError, UnicodeError, EndpointError):
        return NtpFailure(server, NtpFault.UNRESOLVED)

    def ask_at(one: SocketAddress) -> NtpAnswer:
        outcome = _judge(server, str(one.address), *_exchange(*one, deadline))
        if isinstance(outcome, NtpFailure):
            raise _BadAnswer(outcome)
        return replace(outcome, others=frozenset(str(other.address) for other in found))

    try:
        return first_success(found, ask_at, within=deadline - time.monotonic())
    except NoAttemptSucceeded as none:
        # A bad answer says more than none, and one that may still have come more than one that could not.
        bad = [error.failure for error in none.errors if isinstance(error, _BadAnswer)]
        refused = len(none.errors) == len(found) and not any(isinstance(error, TimeoutError) for error in none.errors)
        return bad[0] if bad else NtpFailure(server, NtpFault.UNREACHABLE if refused else NtpFault.TIMEOUT)


class _BadAnswer(OSError):
    """One address of a server has answered, and it does not count: another one may do better."""

    def __init__(self, failure: NtpFailure) -> None:
        super().__init__(failure.reason.value)
        self.failure = failure


def _exchange(family: int, address: tuple[Any, ...], deadline: float) -> tuple[bytes, bytes, float]:
    """Send one query; returns it, the response, and when that came, in NTP seconds. Raises OSError."""
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        # A socket that is connected takes datagrams from that address alone, and learns when nobody is there.
        connection.connect(address)
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        query: bytes = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=_ntp_seconds()).to_data()
        connection.send(query)
        return query, connection.recv(1024), _ntp_seconds()


def _judge(server: str, address: str, query: bytes, response: bytes, received_at: float) -> NtpAnswer | NtpFailure:
    if len(response) < PACKET_LENGTH:
        return NtpFailure(server, NtpFault.MALFORMED)
    packet = ntplib.NTPStats()
    packet.from_data(response)
    if packet.mode != MODE_SERVER:
        return NtpFailure(server, NtpFault.MALFORMED)
    if response[24:32] != query[40:48]:
        return NtpFailure(server, NtpFault.ORIGIN)
    if packet.stratum == 0:
        code = response[12:16].rstrip(b"\0").decode("latin-1")
        is_kiss = code.isalnum() and code.isascii()
        return NtpFailure(server, NtpFault.KISS_OF_DEATH, code) if is_kiss else NtpFailure(server, NtpFault.STRATUM)
    if packet.stratum > HIGHEST_STRATUM:
        return NtpFailure(server, NtpFault.STRATUM)
    if packet.leap == LEAP_UNSYNCHRONISED:
        return NtpFailure(server, NtpFault.LEAP)
    if packet.recv_timestamp == 0 or packet.tx_timestamp == 0:
        return NtpFailure(server, NtpFault.MALFORMED)
    way_there = _difference(packet.recv_timestamp, packet.orig_timestamp)
    way_back = _difference(received_at, packet.tx_timestamp)
    if not -TICK <= way_there + way_back <= LONGEST_DELAY:
        return NtpFailure(server, NtpFault.DELAY)
    return NtpAnswer(
        server=server,
        address=address,
        offset=timedelta(seconds=(way_there - way_back) / 2),
        delay=timedelta(seconds=max(0.0, way_there + way_back)),
        stratum=packet.stratum,
        leap=packet.leap,
    )


def _ntp_seconds() -> float:
    return ntplib.system_to_ntp_time(time.time()) % ERA  # type: ignore[no-any-return]


def _difference(later: float, earlier: float) -> float:
    """The difference of two timestamps that lie within 68 years of each other, of whatever era."""
    return (later - earlier + ERA / 2) % ERA - ERA / 2


def _parse_host(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        name = host.removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        raise EndpointError(EndpointFault.HOST, host) from None
    labels = name.split(".")
    # A name whose last label is a number is a mistyped IPv4 address; the resolver would make some address of it.
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise EndpointError(EndpointFault.HOST, host)
    return name.lower()
