"""What one listener for terminals answers: a URL table of its own, and nothing behind it.

A path is matched as it was sent: no path of ours needs an escape, so `..`, `%2e` and their like are simply unknown.
Evidence counts once the client's machine has acknowledged the whole response, not when it was written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from terminals.evidence import Fact
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.refusals import Refusals

GET = ("GET", "HEAD")
NONE: Mapping[str, str] = MappingProxyType({})
TEXT = {"content-type": "text/plain; charset=utf-8"}

logger = logging.getLogger("pbxcerts.web")


class Request(NamedTuple):
    """`path` as it was sent, without the query. `headers` by lower-case names. `client` is an IP address. `scheme` is the
    listener's, whatever a client says.

    `parameters` are the named groups of the route's pattern. `presents`: the generation whose host certificate this
    connection was made with.
    """

    method: str
    path: str
    headers: Mapping[str, str] = NONE
    parameters: Mapping[str, str] = NONE
    body: bytes = b""
    client: str = ""
    scheme: str = "https"
    presents: int | None = None


class Response(NamedTuple):
    """`evidence` is what the response proves once it has been acknowledged; a HEAD request proves nothing.

    `refused` names, for the counter, why a request got none of what it wanted; without one the status says it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = NONE
    evidence: tuple[Fact, ...] = ()
    refused: str = ""


Handler = Callable[[Request], Response]


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
        return GET if self.method == "GET" else (self.method,)


def text(status: int, words: str, *, refused: str = "") -> Response:
    return Response(status, f"{words}\n".encode(), TEXT, refused=refused)


NOT_FOUND = text(404, "Not found.")


class TerminalsApp:
    """`name` is the listener's, for the counter of refusals. `give_way` is called before each request."""

    def __init__(
        self,
        name: str,
        scheme: str,
        routes: Iterable[Route],
        *,
        acknowledgements: Acknowledgements,
        refusals: Refusals,
        give_way: Callable[[], None],
    ) -> None:
        self.give_way = give_way
        self.scheme = scheme
        self.acknowledgements = acknowledgements
        self._name = name
        self._routes = tuple(routes)
        self._refusals = refusals

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | Response:
        """Who answers, and the named parts of the path; or the refusal."""
        allowed: list[str] = []
        for route in self._routes:
            found = route.matches(path)
            if found is None:
                continue
            if method in route.methods:
                return route, found.groupdict(default="")
            allowed += route.methods
        if allowed:
            return Response(405, b"This method is not answered here.\n", {**TEXT, "allow": ", ".join(allowed)})
        return NOT_FOUND

    def answer(self, route: Route, request: Request) -> Response:
        try:
            return route.handler(request)
        except Exception:
            logger.exception("A request of a terminal could not be answered.")
            return text(500, "This could not be answered.")

    def count(self, response: Response, client: str) -> None:
        if response.status >= 400:
            self._refusals.count(self._name, response.refused or str(response.status), client)
