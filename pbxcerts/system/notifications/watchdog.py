"""The watchdog outside: a URL that hears from each heartbeat, so that somebody notices when pbxcerts is silent (rule watchdog).

A thread calls it, for which nobody waits. What came of it is written by the next heartbeat.
"""

import logging
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from django.db.models import F

from pbxcerts.system.notifications.faults import Fault, NotificationError, fault_text
from pbxcerts.system.notifications.models import Watchdog
from pbxcerts.system.notifications.transports import http
from pbxcerts.system.sealing import SealedText
from pbxcerts.system.time import timekeeping

logger = logging.getLogger(__name__)

LIMIT = 5
"""Seconds in all."""


@dataclass
class _Caller:
    """What this process knows from the last heartbeat: also where the database is what has failed."""

    url: str = ""
    thread: threading.Thread | None = None
    heard: NotificationError | bool = False
    """True: answered; False: nothing was asked yet, or it is written down."""


_caller = _Caller()


def remember(watchdog: Watchdog) -> None:
    """Take note of the URL, and write down what came of the last call. Costs no query where nothing has changed."""
    _caller.url = str(watchdog.url)
    if isinstance(watchdog.url, SealedText) and watchdog.url.is_lost:
        _caller.heard = NotificationError(Fault.KEY_LOST)
    heard, _caller.heard = _caller.heard, False
    if isinstance(heard, NotificationError):
        _failed(heard)
    elif heard and (watchdog.failures or watchdog.answered_at is None):
        _answered()


def call(*, failed: bool = False) -> None:
    """Call it in a thread. Never raises and never waits; while an earlier call has no end yet, none is made."""
    if not _caller.url or (_caller.thread is not None and _caller.thread.is_alive()):
        return
    url = fail_url(_caller.url) if failed else _caller.url

    def ask() -> None:
        try:
            http.request(url, limit=LIMIT)
        except NotificationError as error:
            _caller.heard = error
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread
            # Its text may hold the URL.
            logger.error("the watchdog could not be called: %s", type(error).__name__)
            _caller.heard = NotificationError(Fault.UNEXPECTED, said=type(error).__name__)
        else:
            _caller.heard = True

    _caller.thread = threading.Thread(target=ask, daemon=True, name="watchdog")
    try:
        _caller.thread.start()
    except RuntimeError:
        _caller.thread = None


def fail_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/fail"))


def set_url(url: str) -> None:
    """Store another URL; "" for none."""
    row = Watchdog.load()
    row.url, row.shown = url, http.shown_url(url) if url else ""
    row.failures, row.fault, row.said, row.answered_at = 0, "", {}, None
    row.version += 1
    row.save()


def call_now() -> None:
    """Call it and wait for it, at most so long. Raises NotificationError."""
    row = Watchdog.load()
    error: list[NotificationError] = []
    if isinstance(row.url, SealedText) and row.url.is_lost:
        error.append(NotificationError(Fault.KEY_LOST))
    elif row.url:

        def ask() -> None:
            try:
                http.request(str(row.url), limit=LIMIT)
            except NotificationError as found:
                error.append(found)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(LIMIT + 1)
        if thread.is_alive():
            # A name server that does not answer can't be cut short.
            error.append(NotificationError(Fault.NO_ANSWER, seconds=LIMIT))
    if error:
        _failed(error[0])
        raise error[0]
    if row.url:
        _answered()


def why(error: NotificationError) -> str:
    return fault_text(error.fault, error.said)


def _failed(error: NotificationError) -> None:
    Watchdog.objects.update(failures=F("failures") + 1, fault=error.fault.value, said=error.said)


def _answered() -> None:
    Watchdog.objects.update(failures=0, fault="", said={}, answered_at=timekeeping.machine_time())
