"""One listener for terminals as a small ASGI application: a URL table of its own, and nothing behind it.

A path is matched as it was sent: no path of ours needs an escape, so `..`, `%2e` and their like are simply unknown.
Evidence counts once the client's machine has acknowledged the whole response, not when it was written.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from terminals.evidence import Evidence, Fact
from terminals.web.acknowledgement import Acknowledgement
from terminals.web.refusals import Refusals

BODY_LIMIT = 64 * 1024
BODY_WITHIN = 20
ACKNOWLEDGED_WITHIN = 10
"""Seconds that a client may take to acknowledge a response before it counts as lost."""

CONNECTION = "pbxcerts.connection"
"""The ASGI extension that says what carries a request; see `Connection`."""

TEXT = {"content-type": "text/plain; charset=utf-8"}

logger = logging.getLogger("pbxcerts.web")


class Connection(Protocol):
    """What carries a request. `presents`: the generation whose host certificate it showed, None where it has none."""

    presents: int | None
    transport: asyncio.Transport


@dataclass(frozen=True, slots=True)
class Request:
    """`path` as it was sent, without the query. `headers` by lower-case names. `client` is an IP address. `scheme` is the
    listener's, whatever a client says.

    `parameters` are the named groups of the route's pattern. `presents`: the generation whose host certificate this
    connection was made with.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    scheme: str = "https"
    presents: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """`evidence` is what the response proves once it has been acknowledged; a HEAD request proves nothing.

    `refused` names, for the counter, why a request got none of what it wanted; without one the status says it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Fact, ...] = ()
    refused: str = ""


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """`pattern` is a regular expression for the whole path. A route for GET answers HEAD too."""

    method: str
    pattern: str
    handler: Handler
    matches: Callable[[str], re.Match[str] | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", re.compile(self.pattern, re.ASCII).fullmatch)

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


def text(status: int, words: str, *, refused: str = "") -> Response:
    return Response(status, f"{words}\n".encode(), TEXT, refused=refused)


NOT_FOUND = text(404, "Not found.")


class TerminalsApp:
    """ASGI. `name` is the listener's, for the counter of refusals."""

    def __init__(
        self, name: str, scheme: str, routes: Iterable[Route], *, evidence: Evidence, refusals: Refusals
    ) -> None:
        self._name = name
        self._scheme = scheme
        self._routes = tuple(routes)
        self._evidence = evidence
        self._refusals = refusals

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        connection: Connection | None = scope.get("extensions", {}).get(CONNECTION)
        client = scope["client"][0] if scope.get("client") else ""
        response = await self._answer(scope, receive, client, connection)
        if response.status >= 400:
            self._refusals.count(self._name, response.refused or str(response.status), client)
        await self._send(response, scope["method"], send, connection)

    async def _answer(self, scope: Any, receive: Any, client: str, connection: Connection | None) -> Response:
        path = scope["raw_path"].decode("latin-1")
        method: str = scope["method"]
        allowed: list[str] = []
        for route in self._routes:
            found = route.matches(path)
            if found is None:
                continue
            if method not in route.methods:
                allowed += route.methods
                continue
            body = b""
            if method not in {"GET", "HEAD"}:
                try:
                    body = await _body(receive)
                except TimeoutError:
                    return text(408, "The request was not completed in time.")
                except ValueError:
                    return text(413, "The request is too large.")
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            presents = connection.presents if connection is not None else None
            request = Request(method, path, headers, found.groupdict(default=""), body, client, self._scheme, presents)
            try:
                return await route.handler(request)
            except Exception:
                logger.exception("A request of a terminal could not be answered.")
                return text(500, "This could not be answered.")
        if allowed:
            return Response(405, b"This method is not answered here.\n", {**TEXT, "allow": ", ".join(allowed)})
        return NOT_FOUND

    async def _send(self, response: Response, method: str, send: Any, connection: Connection | None) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items()]
        headers.append((b"content-length", str(len(response.body)).encode()))
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        body = {"type": "http.response.body", "body": response.body}
        if not response.evidence or method == "HEAD" or connection is None:
            await send(start)
            await send(body)
            return
        if connection.transport.is_closing():
            return
        size = len(response.body) + sum(len(name) + len(value) for name, value in headers)
        with Acknowledgement(connection.transport, size) as acknowledgement:
            await send(start)
            await send(body)
            arrived = await acknowledgement.within(ACKNOWLEDGED_WITHIN)
        if arrived:
            for fact in response.evidence:
                self._evidence.add(fact)


async def _body(receive: Any) -> bytes:
    body = bytearray()
    async with asyncio.timeout(BODY_WITHIN):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise TimeoutError
            body += message.get("body", b"")
            if len(body) > BODY_LIMIT:
                raise ValueError
            if not message.get("more_body"):
                return bytes(body)
