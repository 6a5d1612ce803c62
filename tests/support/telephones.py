"""Telephones that a page is told of."""

from datetime import datetime

from certificates.handover import Disturbance, Missing, Readiness


class TenTelephones:
    """Four are exchanged in service, five restart, one needs a hand; a root that they do not trust yet they refuse."""

    def readiness(self, *, root_sha256: str, counts: str, now: datetime) -> Readiness:
        return Readiness(counting=10, missing=(Missing("101", "Reception", "has not answered"),))

    def disturbance(self, *, trusted_roots: object) -> Disturbance:
        return Disturbance(exchanged_in_service=4, restarting=5, by_hand=1, refusing=0 if trusted_roots else 10)
