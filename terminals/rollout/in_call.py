"""Which telephones are in a call now, as far as Kamailio may be asked (rule kamailio-asked)."""

import logging
import time

from django.conf import settings

from certificates.communication_server.errors import KamailioError
from certificates.communication_server.kamailio import ContactAddress, Kamailio

logger = logging.getLogger(__name__)

FRESH_FOR = 5.0
"""Seconds: a round asks again and again for whom to claim."""


class WhoTalks:
    """Called again and again in a round. Who can't be asked says nothing, and is asked no more in this round."""

    def __init__(self) -> None:
        self._kamailio = Kamailio(settings.KAMCMD, settings.RELOAD_ENVIRONMENT) if settings.KAMCMD else None
        self._said: frozenset[str] = frozenset()
        self._registered: dict[ContactAddress, set[str]] | None = None
        self._asked_at: float | None = None

    def __call__(self) -> frozenset[str]:
        if self._kamailio is None:
            return frozenset()
        if self._asked_at is None or time.monotonic() >= self._asked_at + FRESH_FOR:
            try:
                self._said = self._ask(self._kamailio)
            except KamailioError as error:
                logger.warning("who is in a call is not known: %s", error)
                self._kamailio, self._said = None, frozenset()
            self._asked_at = time.monotonic()
        return self._said

    def _ask(self, kamailio: Kamailio) -> frozenset[str]:
        """Who is registered is a long answer: it is asked once in a round, and only where somebody is in a call."""
        calls = kamailio.calls()
        if calls.places and self._registered is None:
            self._registered = kamailio.places()
        return calls.parties(self._registered or {})
