"""Telephones that a page is told of."""

from datetime import UTC, datetime, timedelta

from certificates.handover import Disturbance, Forecast, Missing, Readiness
from pbxcerts.system.events import Notice


class TenTelephones:
    """Four are exchanged in service, five restart, one needs a hand; a root that they do not trust yet they refuse."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime) -> Readiness:
        return Readiness(counting=10, missing=(Missing("101", "Reception", "has not answered"),))

    def disturbance(self, *, trusted_roots: object) -> Disturbance:
        return Disturbance(exchanged_in_service=4, restarting=5, by_hand=1, refusing=0 if trusted_roots else 10)

    def forecast(self, situation: object) -> Forecast:
        at = datetime(2030, 1, 31, 1, tzinfo=UTC)
        return Forecast(restarts_at=at, ends_at=at + timedelta(minutes=12), gap=1)

    def warnings(self, situation: object) -> list[Notice]:
        return []
