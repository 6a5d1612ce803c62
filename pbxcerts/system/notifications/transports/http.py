"""One HTTP request that follows nothing and ends in time (rule never-elsewhere): for webhooks and the watchdog."""

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote, unquote, urlsplit

from pbxcerts.system.network.endpoint import bracketed
from pbxcerts.system.notifications.faults import Fault, NotificationError, in_one_line
from pbxcerts.system.notifications.transports.network import faults_of
from pbxcerts.system.notifications.transports.user_agent import USER_AGENT


def request(
    url: str, *, limit: float, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    """Ask, and be content with any status from 200 to 299. Raises NotificationError, also when it has not been answered within
    `limit` seconds in all.
    """
    parts = urlsplit(url)
    host, is_https = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_https else 80)
    path = _ascii((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    sent = {"User-Agent": USER_AGENT, "Connection": "close", **(headers or {})}
    if parts.username is not None:
        name_and_password = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        sent["Authorization"] = f"Basic {base64.b64encode(name_and_password).decode()}"
    connection = (
        http.client.HTTPSConnection(host, port, timeout=limit, context=ssl.create_default_context())
        if is_https
        else http.client.HTTPConnection(host, port, timeout=limit)
    )
    too_late = threading.Event()

    def cut() -> None:
        # Each answer of the server, an octet say, begins the time of the socket anew; this one does not.
        too_late.set()
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit, cut)
    timer.daemon = True
    timer.start()
    try:
        with faults_of(host, port, limit=limit):
            connection.request(method, path, body=body or None, headers=sent)
            answer = connection.getresponse()
            answer.close()
    except (http.client.HTTPException, NotificationError) as error:
        if too_late.is_set():
            raise NotificationError(Fault.NO_ANSWER, seconds=round(limit)) from None
        if isinstance(error, NotificationError):
            raise
        raise NotificationError(Fault.NO_HTTP) from error
    finally:
        timer.cancel()
        connection.close()
    if 300 <= answer.status < 400:
        raise NotificationError(Fault.REDIRECT, status=answer.status)
    if not 200 <= answer.status < 300:
        raise NotificationError(
            Fault.HTTP_STATUS, status=answer.status, said=in_one_line(answer.reason, at_most=80) or "\N{EN DASH}"
        )


def _ascii(path: str) -> str:
    """With what a person may type, and no request may hold, as browsers send it (RFC 3987 section 3.1)."""
    return "".join(sign if sign.isascii() else quote(sign) for sign in path)


def shown_url(url: str) -> str:
    """Scheme and host: what follows may be a secret, and so is what stands before an @."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{bracketed(parts.hostname or '')}{f':{parts.port}' if parts.port else ''}/…"
