"""Webhook: JSON over HTTP, signed so that the receiver knows who wrote it and that nobody repeats it later."""

import hashlib
import hmac
import json
from typing import Any

from pbxcerts.system.notifications.letters import Letter, ToldEvent
from pbxcerts.system.notifications.transports import http
from pbxcerts.system.notifications.transports.target import Target
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc


def send(target: Target, letter: Letter) -> None:
    """Raises NotificationError. A redirect is not followed: the body is for the URL that an administrator has entered."""
    body = json.dumps(as_json(letter), ensure_ascii=False).encode()
    stamp = str(int(timekeeping.machine_time().timestamp()))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Pbxcerts-Delivery": letter.id,
        "Pbxcerts-Timestamp": stamp,
        "Pbxcerts-Signature": f"sha256={signature(target.secret, stamp, body)}",
    }
    http.request(target.url, limit=target.limit, method="POST", body=body, headers=headers)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA-256, in hex, of the time stamp, a dot, and the body."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def as_json(letter: Letter) -> dict[str, Any]:
    """The ids stay the same at each attempt; instants are in UTC."""
    return {
        "id": letter.id,
        "kind": letter.kind,
        "installation": letter.installation,
        "site": letter.site,
        "language": letter.language,
        "made_at": utc(letter.made_at),
        "severity": letter.severity or None,
        "subject": letter.subject,
        "text": letter.text,
        "count": letter.total,
        "counts": dict(letter.counts),
        "events": [_event(event) for event in letter.events],
        "open_events": [_event(event) for event in letter.open_events],
        "ahead": dict(letter.ahead) or None,
    }


def _event(event: ToldEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind,
        "subject": event.subject,
        "severity": event.severity,
        "phase": event.phase,
        "at": utc(event.at),
        "text": event.text,
        "hint": event.hint,
        "values": dict(event.params),
    }
