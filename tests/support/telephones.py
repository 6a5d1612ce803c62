"""Telephones that the handover and its pages are told of."""

from datetime import UTC, datetime, timedelta

from certificates.renewal.handover import DeliveryMethod, DoubtAbout, Forecast, MissingTerminal, PairDoubt, Readiness
from certificates.renewal.situation import Situation
from pbxcerts.system.events import Notice
from terminals.handover import KnownTerminals
from tests.support.generations import lacking


class NoTerminals:
    """Where no telephone is known: nobody to wait for, nobody to disturb."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        return Readiness()

    def refusing(self, *, trusted_roots: object) -> int:
        return 0

    def forecast(self, situation: object) -> Forecast:
        return Forecast()

    def deliveries(self) -> tuple[DeliveryMethod, ...]:
        return ()

    def doubts(self, situation: object) -> tuple[PairDoubt, ...]:
        return ()

    def warnings(self, situation: object) -> list[Notice]:
        return []

    def begin_anew(self) -> None:
        pass


class TerminalsOfTheDatabase:
    """Those that are known when they are asked for: the product looks anew in each round, too."""

    def __getattr__(self, name: str) -> object:
        return getattr(KnownTerminals(), name)


class TenTelephones:
    """Four are exchanged in service, five restart, one needs a hand; a root that they do not trust yet they refuse."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime, counted: bool = False) -> Readiness:
        return Readiness(counting=10, **lacking(MissingTerminal("101", "Reception", "has not answered")))

    def refusing(self, *, trusted_roots: object) -> int:
        return 0 if trusted_roots else 10

    def forecast(self, situation: object) -> Forecast:
        at = datetime(2030, 1, 31, 1, tzinfo=UTC)
        counted = list(zip(self.deliveries(), (4, 5, 1), strict=True))
        return Forecast(4, 5, by_hand=1, gap=1, restarts_at=at, ends_at=at + timedelta(minutes=12), deliveries=counted)

    def deliveries(self) -> tuple[DeliveryMethod, ...]:
        words = ("Quiet ones", "take it."), ("Loud ones", "restart."), ("Old ones", "want a person.")
        return tuple(DeliveryMethod(*one) for one in words)

    def doubts(self, situation: object) -> tuple[PairDoubt, ...]:
        return ()

    def warnings(self, situation: object) -> list[Notice]:
        return []

    def begin_anew(self) -> None:
        pass


class DoubtedTelephones(TenTelephones):
    """Four refuse a key on a curve, two may want an address."""

    def doubts(self, situation: Situation) -> tuple[PairDoubt, ...]:
        key = PairDoubt(
            DoubtAbout.KEY, True, "Old ones", 4, "They refuse an EC key.", "Choose RSA 2048.", "their guide"
        )
        names = PairDoubt(DoubtAbout.NAMES, False, "Snom", 2, "They want an address.", "Enter it.", "RFC 5922")
        return (*([key] if situation.settings.key_type == "p256" else []), names)
