"""A broker that does not answer: the worker goes on without it (rule orders-in-the-database)."""

import logging
import signal
import time
from collections.abc import Callable

from django.conf import settings

from pbxcerts.processes import stopping
from pbxcerts.system.outage import Outage

SILENT_FOR = 10.0

logger = logging.getLogger(__name__)
outage = Outage(logger, "the broker answers again")


class ToldOrSilent:
    """The sentinel's order to stop: given, or taken from the broker's silence. Without it django-q2 goes on, and never asks for a
    heartbeat; the process that is started next does its task without it.
    """

    def __init__(self, told: stopping.StopOrder, stop: Callable[[int, object], None]) -> None:
        self._told, self._stop = told, stop
        self._silent_since: float | None = None

    def is_set(self) -> bool:
        return self._told.is_set()

    def wait(self, seconds: float) -> bool:
        if self._told.wait(seconds):
            return True
        if not settings.BROKER or answers(ping):
            self._silent_since = None
            return False
        self._silent_since = self._silent_since or time.monotonic()
        if time.monotonic() - self._silent_since < SILENT_FOR:
            return False
        logger.error("the broker does not answer: the worker goes on without it")
        self._stop(signal.SIGTERM, None)
        return True


def ping() -> None:
    """Raises redis.RedisError where it does not answer."""
    # Here, not above: an installation without it has no such package.
    import redis

    with redis.Redis.from_url(settings.BROKER, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


def answers(ask: Callable[[], object]) -> bool:
    """Whether the broker answers. Where it is the database, that has just done so."""
    if not settings.BROKER:
        ask()
        return True
    import redis

    try:
        ask()
    except redis.RedisError as error:
        outage.goes_on(error, "the broker does not answer: %s")
        return False
    outage.is_over()
    return True
