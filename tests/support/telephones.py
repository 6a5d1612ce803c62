"""Telephones that the handover and its pages are told of."""

from datetime import UTC, datetime, timedelta

from certificates.renewal.handover import Forecast, MissingTerminal, Readiness
from pbxcerts.system.events import Notice
from terminals.rollout.handover import KnownTerminals


class NoTerminals:
    """Where no telephone is known: nobody to wait for, nobody to disturb."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        return Readiness()

    def refusing(self, *, trusted_roots: object) -> int:
        return 0

    def forecast(self, situation: object) -> Forecast:
        return Forecast()

    def warnings(self, situation: object) -> list[Notice]:
        return []


class TerminalsOfTheDatabase:
    """Those that are known when they are asked for: the product looks anew in each round, too."""

    def __getattr__(self, name: str) -> object:
        return getattr(KnownTerminals(), name)


class TenTelephones:
    """Four are exchanged in service, five restart, one needs a hand; a root that they do not trust yet they refuse."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        return Readiness(counting=10, missing=(MissingTerminal("101", "Reception", "has not answered"),))

    def refusing(self, *, trusted_roots: object) -> int:
        return 0 if trusted_roots else 10

    def forecast(self, situation: object) -> Forecast:
        at = datetime(2030, 1, 31, 1, tzinfo=UTC)
        return Forecast(4, 5, by_hand=1, gap=1, restarts_at=at, ends_at=at + timedelta(minutes=12))

    def warnings(self, situation: object) -> list[Notice]:
        return []
