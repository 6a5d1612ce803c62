"""What the handover asks of telephones, without knowing any: `settings.TERMINALS` names the class that answers
(rule terminals-asked).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as LazyText

    from certificates.renewal.situation import Situation
    from pbxcerts.system.events import Notice


@dataclass(frozen=True)
class MissingTerminal:
    """A terminal that counts and has not confirmed. `why` is a text for a person, which may be looked for only where it is read."""

    number: str
    name: str
    why: str | LazyText

    def __str__(self) -> str:
        """With its number: several may have the same name."""
        return f"{self.number} {self.name}".strip()


def _nobody() -> int:
    return 0


@dataclass(frozen=True)
class Readiness:
    """How far the terminals are with one generation. Only terminals that count are in it (rule who-counts).

    `missing_count`: how many have not confirmed; `named` looks for the first of them, which is for persons alone.
    """

    counting: int = 0
    missing_count: int = 0
    named: Callable[[], tuple[MissingTerminal, ...]] = field(default=tuple, compare=False)
    rollout_stopped: bool = False
    seen: Callable[[], int] = field(default=_nobody, compare=False)

    @property
    def missing(self) -> tuple[MissingTerminal, ...]:
        return self.named()

    @property
    def unnamed(self) -> int:
        """How many are missing beside those with a name."""
        return max(self.missing_count - len(self.missing), 0)

    @property
    def complete(self) -> bool:
        """Everybody has confirmed, and there is somebody (rule switch-when)."""
        return self.counting > 0 and not self.missing_count

    @property
    def automatic_seen_but_unconfirmed(self) -> int:
        """How many automatic ones that have not confirmed were seen lately (rule deadline-held). `seen` counts them, which
        takes its time: it is asked for only where the deadline has come.
        """
        return self.seen()

    @property
    def holds_deadline(self) -> bool:
        return self.rollout_stopped or self.automatic_seen_but_unconfirmed > 0


class DeliveryMethod(NamedTuple):
    """A way in which terminals get their certificates: what it is called, and what it does to them. Texts for a person."""

    label: str
    does: str


@dataclass(frozen=True)
class Forecast:
    """What a generation with handover that is ordered now means for the terminals, counted by how they get it; `deliveries`: the same
    by each way.

    `gap`: how many of them hold only one certificate and have no calls from the switch until somebody has given them the
    new one. `restarts_at`: when the first of those that restart does; `ends_at`: when all that need nobody have it, if they
    are there. Both are None where there are none.
    """

    exchanged_in_service: int = 0
    restarting: int = 0
    by_hand: int = 0
    gap: int = 0
    restarts_at: datetime | None = None
    ends_at: datetime | None = None
    deliveries: Sequence[tuple[DeliveryMethod, int]] = ()

    @property
    def total(self) -> int:
        return self.exchanged_in_service + self.restarting + self.by_hand


class DoubtAbout(enum.StrEnum):
    """What of a pair a doubt is about."""

    KEY = "key"
    NAMES = "names"
    ROOM = "room"
    NOTIFY = "notify"


@dataclass(frozen=True)
class PairDoubt:
    """What is known against a pair, before it is made, at telephones of one kind (rule preflight).

    `telephones` names them and `count` is how many they are, `what` happens, `remedy` and `source` are texts for a person too.
    `serious`: they can't call then, or lose their settings.
    """

    about: DoubtAbout
    serious: bool
    telephones: str
    count: int
    what: str
    remedy: str
    source: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.telephones} ({self.count}): {self.what} {self.remedy} ({self.source})"


class Terminals(Protocol):
    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        """`now` is by the machine's clock, by which is kept when a terminal was seen (rule which-clock). `counted`: each
        terminal is looked at, and no count that is kept is relied on (rule tally).
        """
        ...

    def refusing(self, *, trusted_roots: Collection[str]) -> int:
        """How many terminals trust none of these roots (SHA-256), and so would refuse a server that presents one."""
        ...

    def forecast(self, situation: Situation) -> Forecast: ...

    def deliveries(self) -> tuple[DeliveryMethod, ...]:
        """Every way that there is, those that need a person last."""
        ...

    def doubts(self, situation: Situation) -> tuple[PairDoubt, ...]:
        """What is known against a pair that is made by these settings, the serious ones first."""
        ...

    def warnings(self, situation: Situation) -> list[Notice]:
        """What the page of the certificates says of them, besides that the handover waits for them (rule warnings)."""
        ...

    def begin_anew(self) -> None:
        """The database is an older copy (rule adopting): what telephones were told since then nobody knows. Called in the
        transaction that takes in what is served.
        """
        ...


class AskedOnce:
    """The terminals for one round: how far they are is asked once, however often the round wants to know."""

    def __init__(self, asked: Terminals) -> None:
        self.readiness = cache(asked.readiness)
        self.refusing = asked.refusing
        self.forecast = asked.forecast
        self.deliveries = asked.deliveries
        self.doubts = asked.doubts
        self.warnings = asked.warnings
        self.begin_anew = asked.begin_anew


def known_terminals() -> Terminals:
    """The terminals of this installation, as `settings.TERMINALS` names them."""
    answering: Terminals = import_string(settings.TERMINALS)()
    return answering
