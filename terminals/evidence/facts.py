"""What the listeners see, as values: facts on their way to the database.

Nothing changes them. Those of which one is made for each file that a telephone takes are not frozen, though, as a frozen one sets each
of its fields by a call.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

from pbxcerts.system.events import Notice
from pbxcerts.system.network.one_address import source_of


@dataclass(unsafe_hash=True)
class FetchedConfiguration:
    """Somebody took a terminal's own configuration file. `address` is the IP address that the request came from.

    `named`: whose roots were in the trust files that it named. `by_secret_path`: it was taken under the terminal's secret path.
    """

    terminal: int
    file: str
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""
    named: frozenset[int] = frozenset()
    by_secret_path: bool = False


@dataclass(unsafe_hash=True)
class FetchedTrust:
    """Somebody took a terminal's trust file. `generations`: whose roots that version of the file held.

    `by_secret_path`: it had the name that only the configuration under the terminal's secret path tells (rule proved-fetch).
    """

    terminal: int
    generations: frozenset[int]
    file: str
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""
    by_secret_path: bool = False


@dataclass(frozen=True)
class CameBack:
    """Somebody took the configuration of a terminal that was told to check, or told to stop (rule checking).

    `checking`: what the file said of it; `over_tls`: it came over a connection that the check may cover; `by_secret_path` as of
    `FetchedTrust`; `empties`: the file said to delete all trust anchors that are not its maker's (rule emptied-list).
    """

    terminal: int
    checking: bool | None
    over_tls: bool
    address: str
    at: datetime
    by_secret_path: bool = False
    empties: bool = False


@dataclass(frozen=True)
class Reported:
    """An IP system phone says, with its token, the SHA-256 of all roots (lower case, no colons) that it trusts now."""

    terminal: int
    fingerprints: frozenset[str]
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""


@dataclass(frozen=True)
class Proved:
    """An IP system phone connected, with its token, to the proof listener while that presented this generation."""

    terminal: int
    generation: int
    user_agent: str
    address: str
    at: datetime
    firmware: str = ""


@dataclass(frozen=True)
class UnknownPhone:
    """A phone that is not in the list asked for its configuration."""

    mac: str
    model: str
    firmware: str
    address: str
    at: datetime


@dataclass(unsafe_hash=True)
class LoggedEvent:
    """Something that is logged as an event message that nobody need confirm, once for its kind and subject."""

    notice: Notice
    at: datetime


Fetched = FetchedConfiguration | FetchedTrust
Seen = Fetched | Reported | Proved
"""What a terminal shows of what it trusts."""
OfTerminal = Seen | CameBack
Fact = OfTerminal | UnknownPhone | LoggedEvent


def subject_of(fact: Fact) -> Hashable:
    """A later fact of the same subject takes the place of an earlier one. Who fetches from another address is another subject:
    neither may hide the other (rule requesters).
    """
    match fact:
        case FetchedConfiguration():
            return FetchedConfiguration, fact.terminal, source_of(fact.address)
        case FetchedTrust():
            source = source_of(fact.address)
            return FetchedTrust, fact.terminal, fact.generations, source, fact.by_secret_path
        case LoggedEvent():
            return LoggedEvent, fact.notice.key
        case CameBack():
            said = fact.checking, fact.empties, fact.over_tls, fact.by_secret_path
            return CameBack, fact.terminal, source_of(fact.address), said
        case Reported():
            return Reported, fact.terminal
        case Proved():
            return Proved, fact.terminal, fact.generation
        case UnknownPhone():
            return UnknownPhone, fact.mac, source_of(fact.address)
