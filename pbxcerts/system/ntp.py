"""Ask NTP servers for the time (RFC 5905), and take no answer that cannot be trusted.

    NtpServerError      an entry of the list of servers is not "host", "host:port" or "[IPv6]:port"

A server that gives no usable answer is no error but a `Refusal` with its reason: the others still count.
ntplib packs and unpacks; it checks nothing itself, its own client takes the first address of a name alone, and it
cannot ask at all where the machine's clock stands after February 2036, so the exchange is done here.
"""

import enum
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from threading import Thread
from typing import Any

import ntplib

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


class NtpServerError(ValueError):
    """Not the address of a server; `code` says which part is wrong: "empty", "host" or "port"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Reason(enum.StrEnum):
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
class Answer:
    """A server's answer. `offset` is the server's time minus the machine's; `address` is where it came from."""

    server: str
    address: str
    offset: timedelta
    delay: timedelta
    stratum: int
    leap: int


@dataclass(frozen=True)
class Refusal:
    """No usable answer. `kiss_code` is the code of a kiss of death, "RATE" for example."""

    server: str
    reason: Reason
    kiss_code: str = ""


@dataclass(frozen=True)
class Survey:
    """What all servers said, in the order in which they were given."""

    outcomes: tuple[Answer | Refusal, ...]

    @property
    def answers(self) -> list[Answer]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Answer)]

    def median(self) -> Answer | None:
        """The answer with the median offset, of two middle ones the nearer to zero."""
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
            answer.address != median.address and abs(answer.offset - median.offset) <= AGREE_WITHIN
            for answer in self.answers
        )

    @property
    def disagreed(self) -> bool:
        """Whether two servers differ by more than 1 s."""
        offsets = [answer.offset for answer in self.answers]
        return bool(offsets) and max(offsets) - min(offsets) > AGREE_WITHIN


def parse_server(text: str) -> tuple[str, int]:
    """Take apart "host", "host:port", an IPv6 address, or one in brackets with a port. Raises NtpServerError."""
    text = text.strip()
    if not text:
        raise NtpServerError("empty")
    if bracketed := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", text):
        host, port = bracketed.groups()
        try:
            return str(IPv6Address(host)), _parse_port(port)
        except ValueError as error:
            raise NtpServerError(error.code if isinstance(error, NtpServerError) else "host") from None
    if text.count(":") > 1:
        try:
            return str(IPv6Address(text)), NTP_PORT
        except ValueError:
            raise NtpServerError("host") from None
    host, colon, port = text.partition(":")
    return _parse_host(host), _parse_port(port if colon else None)


def ask(servers: Sequence[str], *, timeout: float = 5.0) -> Survey:
    """Ask all servers at the same time; `timeout` is in seconds and holds for all of it, looking up names included."""
    outcomes: dict[str, Answer | Refusal] = {server: Refusal(server, Reason.UNRESOLVED) for server in servers}
    deadline = time.monotonic() + timeout

    def ask_one(server: str) -> None:
        outcomes[server] = _ask_one(server, deadline)

    # Nothing can interrupt a look-up whose name server is silent: a daemon thread is left behind, and keeps no one.
    threads = [Thread(target=ask_one, args=[server], daemon=True) for server in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()) + 0.5)
    return Survey(tuple(outcomes.values()))


def _ask_one(server: str, deadline: float) -> Answer | Refusal:
    try:
        found = socket.getaddrinfo(*parse_server(server), type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, NtpServerError):
        return Refusal(server, Reason.UNRESOLVED)
    for family, _, _, _, address in found:
        try:
            query, response, received_at = _exchange(family, address, deadline)
        except TimeoutError:
            return Refusal(server, Reason.TIMEOUT)
        except OSError:
            continue
        return _judge(server, str(address), query, response, received_at)
    return Refusal(server, Reason.UNREACHABLE)


def _exchange(family: int, address: tuple[Any, ...], deadline: float) -> tuple[bytes, bytes, float]:
    """Send one query; returns it, the response, and when that came, in NTP seconds. Raises OSError."""
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        # A socket that is connected takes datagrams from that address alone, and learns when nobody is there.
        connection.connect(address)
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        query: bytes = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=_ntp_seconds()).to_data()
        connection.send(query)
        return query, connection.recv(1024), _ntp_seconds()


def _judge(server: str, address: str, query: bytes, response: bytes, received_at: float) -> Answer | Refusal:
    if len(response) < PACKET_LENGTH:
        return Refusal(server, Reason.MALFORMED)
    packet = ntplib.NTPStats()
    packet.from_data(response)
    if packet.mode != MODE_SERVER:
        return Refusal(server, Reason.MALFORMED)
    if response[24:32] != query[40:48]:
        return Refusal(server, Reason.ORIGIN)
    if packet.stratum == 0:
        code = response[12:16].rstrip(b"\0").decode("latin-1")
        is_kiss = code.isalnum() and code.isascii()
        return Refusal(server, Reason.KISS_OF_DEATH, code) if is_kiss else Refusal(server, Reason.STRATUM)
    if packet.stratum > HIGHEST_STRATUM:
        return Refusal(server, Reason.STRATUM)
    if packet.leap == LEAP_UNSYNCHRONISED:
        return Refusal(server, Reason.LEAP)
    if packet.recv_timestamp == 0 or packet.tx_timestamp == 0:
        return Refusal(server, Reason.MALFORMED)
    way_there = _difference(packet.recv_timestamp, packet.orig_timestamp)
    way_back = _difference(received_at, packet.tx_timestamp)
    if not -TICK <= way_there + way_back <= LONGEST_DELAY:
        return Refusal(server, Reason.DELAY)
    return Answer(
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
        raise NtpServerError("host") from None
    labels = name.split(".")
    # A name whose last label is a number is a mistyped IPv4 address; the resolver would make some address of it.
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise NtpServerError("host")
    return name.lower()


def _parse_port(port: str | None) -> int:
    if port is None:
        return NTP_PORT
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise NtpServerError("port")
    return int(port)
