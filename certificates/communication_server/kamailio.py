"""The seam to a Kamailio that may be asked: who is registered over which connection, and who is in a call (rule kamailio-asked).

`kamcmd` is the program; what it is asked only reads.
"""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from certificates.communication_server.errors import KamailioError
from certificates.communication_server.local_clock import LocalClock

WITHIN = 10.0
LONGEST = 256 * 1024 * 1024
"""Octets: of a hundred thousand telephones it is less than half."""
UPTIME, CONNECTIONS, REGISTRATIONS, CALLS = "core.uptime", "tls.list", "ul.dump", "dlg.list"

_NOW = re.compile(r"^\s*now:\s*(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})", re.MULTILINE)
_CONNECTION = re.compile(r"^\s*id:\s*(\d+)\n(?:.*\n)?\s*timestamp:\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
_REGISTRATION = re.compile(r"^\s*(AoR|Socket|Tcpconn-Id|Records):\s*(\S+)", re.MULTILINE)
_ADDRESS = re.compile(r"^\s*(AoR|Address|Received|Records):[ \t]*(\S+)", re.MULTILINE)
_CALL = re.compile(r"^\s*(from_uri|to_uri|state|contact):[ \t]*(\S+)", re.MULTILINE)
_USER = re.compile(r"(?:sips?:)?([^@;>]+)")
_AT_A_HOST = re.compile(r"<?(?:sips?:)?(?:([^@;>\[]+)@)?(\[[^\]>]+\]|[^:;>?@]+)")
_RINGING = {"1", "2"}
"""DLG_STATE_UNCONFIRMED, DLG_STATE_EARLY: Kamailio ends them after 300 s, unless it is told otherwise."""
_ENDED = "5"
"""DLG_STATE_DELETED."""


class ContactAddress(NamedTuple):
    """What a telephone is called by, of its contact. The port is left out: over TCP and TLS it may be that of a connection."""

    user: str
    host: str


@dataclass(frozen=True)
class Registered:
    """A number that is registered. `since`: when its TLS connection was made; None where it has none that is open, as over TCP or UDP:
    `tls.list` names those over TLS alone.
    """

    number: str
    since: datetime | None


@dataclass(frozen=True)
class Calls:
    """What stands in the dialogs that are not over. `called`: the users that are being called; `places`: the contacts of both sides."""

    called: frozenset[str]
    places: frozenset[ContactAddress]

    def __bool__(self) -> bool:
        return bool(self.called or self.places)

    def parties(self, registered: Mapping[ContactAddress, Set[str]]) -> frozenset[str]:
        """The numbers that are in a call: who calls says in From and To what he likes, so a number is in a call that is registered at the
        contact of a side, or that is being called, which does not last.
        """
        return self.called.union(*(registered.get(place, ()) for place in self.places))


@dataclass(frozen=True)
class Kamailio:
    """`command`: kamcmd with its socket, as the environment names it; `environment`: all that it gets of variables."""

    command: Sequence[str]
    environment: Mapping[str, str] | None = None

    def registered(self, now: datetime, *, zone: tzinfo = UTC) -> list[Registered]:
        """Raises KamailioError. Its times are local ones of a zone that it does not name: what its clock says now is `now`, and `zone`
        may be its own.
        """
        dump, connections = self._ask(REGISTRATIONS), self._ask(CONNECTIONS)
        return registrations(dump, connections, clock=local_clock(self._ask(UPTIME), now, zone=zone))

    def calls(self) -> Calls:
        """Raises KamailioError."""
        return calls(self._ask(CALLS))

    def places(self) -> dict[ContactAddress, set[str]]:
        """The numbers that are registered at each contact. Raises KamailioError."""
        return places(self._ask(REGISTRATIONS))

    def in_call(self) -> frozenset[str]:
        """The numbers that are in a call, or are being called. Raises KamailioError."""
        found = self.calls()
        return found.parties(self.places() if found else {})

    def _ask(self, what: str) -> str:
        arguments = [*self.command, what]
        with os.fdopen(os.memfd_create("kamcmd"), "w+b") as output:
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.DEVNULL,
                    env=self.environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise KamailioError(f"{arguments[0]}: {error.strerror}") from error
            with process:
                try:
                    process.wait(WITHIN)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise KamailioError(f"{arguments[0]} {what}: no answer within {WITHIN:g} s") from None
            if process.returncode:
                raise KamailioError(f"{arguments[0]} {what}: exit status {process.returncode}")
            if os.fstat(output.fileno()).st_size > LONGEST:
                # The first half would be taken for all.
                raise KamailioError(f"{arguments[0]} {what}: more than {LONGEST} octets")
            output.seek(0)
            return output.read().decode(errors="replace")


def local_clock(uptime: str, now: datetime, *, zone: tzinfo = UTC) -> LocalClock:
    """Raises KamailioError."""
    found = _NOW.search(uptime)
    try:
        says = datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y") if found else None  # noqa: DTZ007 - it has no zone
    except ValueError:
        says = None
    if says is None:
        raise KamailioError(f"{UPTIME}: no time")
    return LocalClock.that_says(says, now, zone=zone)


def registrations(dump: str, connections: str, *, clock: LocalClock) -> list[Registered]:
    """Each number once, by its oldest connection: that is the one that is not proved yet.

    What a stranger says of himself in a handshake (SNI), and a telephone when it registers (User-Agent), stands there as it is, line
    breaks too. So of two times of one connection the older one counts, only what is registered over TLS has one, and there have to be
    as many numbers as are counted. Raises KamailioError where there are not.
    """
    since: dict[str, datetime] = {}
    for connection, made in _CONNECTION.findall(connections):
        at = clock.instant(_local(made))
        since[connection] = min(at, since.get(connection, at))
    found: dict[str, list[datetime | None]] = {}
    number, over_tls, uncounted = "", False, 0
    for name, value in _REGISTRATION.findall(dump):
        match name:
            case "AoR":
                number, over_tls = _user(value), False
                uncounted += 1
            case "Socket":
                over_tls = value.startswith("tls:")
            case "Records":
                uncounted = _counted(uncounted, value)
            case _ if number:
                found.setdefault(number, []).append(since.get(value) if over_tls else None)
    if uncounted:
        _counted(uncounted, "0")
    return [
        Registered(number, None if None in made else min(one for one in made if one is not None))
        for number, made in found.items()
    ]


def _counted(numbers: int, records: str) -> int:
    """None is left to be counted. Raises KamailioError."""
    if str(numbers) != records:
        raise KamailioError(
            f"{REGISTRATIONS}: {numbers} numbers, {records} counted: one of them is words of a telephone"
        )
    return 0


def places(dump: str) -> dict[ContactAddress, set[str]]:
    """The numbers at each contact, also at the address that it was received from. Raises KamailioError as `registrations` does."""
    found: dict[ContactAddress, set[str]] = {}
    number, user, uncounted = "", "", 0
    for name, value in _ADDRESS.findall(dump):
        place = _place(value)
        match name:
            case "AoR":
                number, user = _user(value), ""
                uncounted += 1
            case "Records":
                uncounted = _counted(uncounted, value)
            case "Address" if number and place.user:
                user = place.user
                found.setdefault(place, set()).add(number)
            case "Received" if number and user and place.host:
                found.setdefault(ContactAddress(user, place.host), set()).add(number)
    if uncounted:
        _counted(uncounted, "0")
    return found


def calls(said: str) -> Calls:
    """Each dialog begins with From, which is what the caller says of himself, and is not looked at."""
    called: set[str] = set()
    at: set[ContactAddress] = set()
    to, state = "", _ENDED
    for name, value in _CALL.findall(said):
        match name:
            case "from_uri":
                to, state = "", _ENDED
            case "to_uri":
                to = _user(value)
            case "state":
                state = value
                if state in _RINGING and to:
                    called.add(to)
            case "contact" if state != _ENDED and (place := _place(value)).user:
                # Several telephones may have one that names no user.
                at.add(place)
    return Calls(frozenset(called), frozenset(at))


def _place(uri: str) -> ContactAddress:
    found = _AT_A_HOST.match(uri)
    return ContactAddress(found[1] or "", found[2].lower()) if found else ContactAddress("", "")


def _local(said: str) -> datetime:
    """One that is none, as only a stranger writes it, is older than all."""
    try:
        return datetime.strptime(said, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - it has no zone
    except ValueError:
        return datetime(1970, 1, 2)  # noqa: DTZ001 - nor has this


def _user(uri: str) -> str:
    found = _USER.match(uri)
    return found[1] if found else uri
