"""/healthz, /readyz and /metrics: answered in the panel's event loop, before Django with its hosts, log-in and sessions, so that no
thread and no redirect is in the way (rule asked-from-outside).
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pbxcerts.health.bounded_look import BoundedLook
from pbxcerts.health.own_state import OwnState
from pbxcerts.health.readiness import ReadinessProbe

if TYPE_CHECKING:
    from pbxcerts.health.request_times import RequestTimes

NAMES = ("healthz", "readyz", "metrics")
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class HealthResponse:
    status: int
    body: bytes
    media_type: str = TEXT
    headers: tuple[tuple[bytes, bytes], ...] = ()


class HealthEndpoints:
    """An ASGI application before `app`, at the root and below `path`, where a proxy serves the panel. `token`: what metrics are
    asked for with, "" for never; then there are no `times`.
    """

    def __init__(self, app: Any, own: OwnState, *, path: str, token: str, times: "RequestTimes | None") -> None:
        self._app = app
        self._own = own
        self._token = token.encode()
        self._times = times
        self._readiness = ReadinessProbe(own)
        self._names = {f"{prefix}/{name}": name for prefix in ("", path) for name in NAMES}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = self._names.get(scope["path"])
        if name is None:
            await self._app(scope, receive, send)
            return
        scope["state"]["route"] = name
        response = await self._answer(name, scope)
        headers = [
            (b"content-type", response.media_type.encode()),
            (b"content-length", str(len(response.body)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", b"default-src 'none'"),
            (b"x-content-type-options", b"nosniff"),
            *response.headers,
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, name: str, scope: Any) -> HealthResponse:
        if scope["method"] not in {"GET", "HEAD"}:
            return HealthResponse(405, b"This method is not answered here.\n", headers=((b"allow", b"GET, HEAD"),))
        match name:
            case "healthz":
                return _json(200, {"alive": True})
            case "readyz":
                ready, value = await self._readiness.as_json()
                return _json(200 if ready else 503, value)
            case _:
                return await self._metrics(dict(scope["headers"]))

    async def _metrics(self, headers: Mapping[bytes, bytes]) -> HealthResponse:
        if not self._token or self._times is None:
            return HealthResponse(404, b"Not found.\n")
        scheme, _space, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not secrets.compare_digest(given.strip(), self._token):
            # RFC 6750 section 3
            return HealthResponse(401, b"A bearer token is needed.\n", headers=((b"www-authenticate", b"Bearer"),))
        # Only here: without a token it is never loaded.
        from pbxcerts.health.metrics import exposition

        reading = await self._database.now()
        accept = headers.get(b"accept", b"").decode("latin-1")
        body, media_type = await asyncio.to_thread(exposition, reading, self._own, self._times, accept)
        return HealthResponse(200, body, media_type)

    @cached_property
    def _database(self) -> BoundedLook[Any]:
        from pbxcerts.health.database_reading import read_database

        return BoundedLook(read_database, name="metrics")


def _json(status: int, value: dict[str, Any]) -> HealthResponse:
    return HealthResponse(status, json.dumps(value).encode() + b"\n", JSON)
