"""All that Apprise speaks: Teams, Slack, Matrix, Telegram, SMS gateways and more, each by its URL."""

import logging
import os
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from pbxcerts.system.notifications.faults import Fault, NotificationError, in_one_line, without
from pbxcerts.system.notifications.letters import Letter
from pbxcerts.system.notifications.transports.apprise_service import UrlNotUnderstood, service_of
from pbxcerts.system.notifications.transports.target import Target

TYPES = {"critical": "failure", "serious": "warning"}


def send(target: Target, letter: Letter) -> None:
    """Raises NotificationError with what the service said, without any part of the URL."""
    _trust_what_the_system_trusts()
    try:
        service = service_of(target.url)
    except UrlNotUnderstood as error:
        raise NotificationError(Fault.URL_WRONG) from error
    with _words_of_this_thread() as words:
        taken = bool(
            service.notify(title=letter.subject, body=letter.text, notify_type=TYPES.get(letter.severity, "info"))
        )
    if not taken:
        raise NotificationError(Fault.SERVICE_REFUSED, said=in_one_line(without(parts_of(target.url), " ".join(words))))


def parts_of(url: str) -> set[str]:
    """Every part of the URL that may be a secret, and the host, as it stands there and decoded."""
    _scheme, _sign, rest = url.partition("://")
    parts = {part for part in re.split(r"[/?&=:@#,;]", rest) if part}
    return {url, rest, *parts, *map(unquote, parts)}


def _trust_what_the_system_trusts() -> None:
    """Else it trusts a list of its own, in which no root of a site stands."""
    for bundle in (ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if bundle and Path(bundle).exists():
            os.environ.setdefault("REQUESTS_CA_BUNDLE", bundle)
            return


@contextmanager
def _words_of_this_thread() -> Iterator[list[str]]:
    """What Apprise logs in this thread, which is all that it says of why; none of it reaches our log, as it may hold the URL."""
    words: list[str] = []
    thread = threading.get_ident()

    class _Words(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                words.append(record.getMessage())

    # Nor what it asks with: that logs the path of a request that it repeats.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    logger = logging.getLogger("apprise")
    handler = _Words(level=logging.WARNING)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield words
    finally:
        logger.removeHandler(handler)
