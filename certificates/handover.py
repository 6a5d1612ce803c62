"""What the handover asks of telephones, without knowing any: the settings name the class that answers (`settings.TERMINALS`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from certificates.situation import Situation
    from pbxcerts.system.events import Notice


@dataclass(frozen=True)
class Missing:
    """A terminal that counts and has not confirmed. `why` is a text for a person."""

    number: str
    name: str
    why: str

    def __str__(self) -> str:
        """With its number: several may have the same name."""
        return f"{self.number} {self.name}".strip()


@dataclass(frozen=True)
class Readiness:
    """How far the terminals are with one generation. Only terminals that count are in it (DESIGN 3.4 step 3).

    `missing` names the first of those that have not confirmed, `unnamed` is how many more there are.
    """

    counting: int = 0
    missing: tuple[Missing, ...] = ()
    unnamed: int = 0
    rollout_stopped: bool = False
    automatic_seen_but_unconfirmed: int = 0

    @property
    def missing_count(self) -> int:
        return len(self.missing) + self.unnamed

    @property
    def complete(self) -> bool:
        """Everybody has confirmed, and there is somebody: where no terminal is known the switch waits for the deadline."""
        return self.counting > 0 and not self.missing

    @property
    def holds_deadline(self) -> bool:
        return self.rollout_stopped or self.automatic_seen_but_unconfirmed > 0


@dataclass(frozen=True)
class Disturbance:
    """What a generation would mean for the terminals, by method of delivery; `refusing`: who could not connect after a switch at once."""

    exchanged_in_service: int = 0
    restarting: int = 0
    by_hand: int = 0
    refusing: int = 0


@dataclass(frozen=True)
class Forecast:
    """How long a generation ordered now would keep the terminals busy.

    `restarts_at`: when the first of them restarts; `ends_at`: when those that are exchanged by themselves have it, if all are
    there; both None where there are none. `gap`: how many hold only one certificate and have no calls from the switch until
    somebody has given them the new one.
    """

    restarts_at: datetime | None = None
    ends_at: datetime | None = None
    gap: int = 0


class Terminals(Protocol):
    def readiness(self, *, root_sha256: str, counts: str, now: datetime) -> Readiness: ...

    def disturbance(self, *, trusted_roots: Collection[str]) -> Disturbance:
        """Of a new generation; `refusing` counts terminals that trust none of `trusted_roots` (SHA-256)."""
        ...

    def forecast(self, situation: Situation) -> Forecast:
        """Of a new generation with handover."""
        ...

    def warnings(self, situation: Situation) -> list[Notice]:
        """What the page of the certificates says of the terminals, besides that the handover waits for them (DESIGN 3.8)."""
        ...


class NoTerminals:
    """Where no telephone is known: nobody to wait for, nobody to disturb."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime) -> Readiness:
        return Readiness()

    def disturbance(self, *, trusted_roots: Collection[str]) -> Disturbance:
        return Disturbance()

    def forecast(self, situation: Situation) -> Forecast:
        return Forecast()

    def warnings(self, situation: Situation) -> list[Notice]:
        return []


class AskedOnce:
    """The answers of one round: the same question is not put to thousands of terminals twice."""

    def __init__(self, asked: Terminals) -> None:
        self.readiness = cache(asked.readiness)
        self.disturbance = asked.disturbance
        self.forecast = asked.forecast
        self.warnings = asked.warnings


def terminals() -> Terminals:
    answering: Terminals = import_string(settings.TERMINALS)()
    return answering
