"""What one listener of the terminals answers: its own table of paths, and nothing else.

A path is matched as it was sent: no path of ours needs an escape, so `..`, `%2e` and their like are simply unknown. Only
slashes in a row are one, because telephones put a path together from parts that each may bring one.
Evidence counts once the client's machine has acknowledged the whole response, not when it was written.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from types import MappingProxyType
from typing import NamedTuple

from terminals.evidence.facts import Fact
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.deadlines import Deadlines
from terminals.web.refusals import RefusalCounter

GET = ("GET", "HEAD")
NONE: Mapping[str, str] = MappingProxyType({})
TEXT = {"content-type": "text/plain; charset=utf-8"}

_SLASHES = re.compile("/{2,}")

logger = logging.getLogger("pbxcerts.web")


class TerminalRequest(NamedTuple):
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


class TerminalResponse(NamedTuple):
    """`evidence` is what the response proves once it has been acknowledged; a HEAD request proves nothing.

    `refused` names, for the counter, why a request got none of what it wanted; without one the status says it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = NONE
    evidence: tuple[Fact, ...] = ()
    refused: str = ""


Handler = Callable[[TerminalRequest], TerminalResponse]


@dataclass(frozen=True)
class Route:
    """`pattern` is a regular expression for the whole path. A route for GET answers HEAD too. `name`: what it is counted under."""

    method: str
    pattern: str
    handler: Handler
    name: str = ""
    matches: Callable[[str], re.Match[str] | None] = field(init=False, repr=False, compare=False)
    methods: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", re.compile(self.pattern, re.ASCII).fullmatch)
        object.__setattr__(self, "methods", GET if self.method == "GET" else (self.method,))


def text_response(status: int, words: str, *, refused: str = "") -> TerminalResponse:
    return TerminalResponse(status, f"{words}\n".encode(), TEXT, refused=refused)


NO_ROUTE = "none"
CountRequest = Callable[[str, str, int, float], None]
"""Is told of each response: the listener, the name of the route, the status, and seconds."""

NOT_FOUND = text_response(404, "Not found.")
RESTS = TerminalResponse(
    503, b"Nothing is handed out at this moment.\n", {**TEXT, "retry-after": "60"}, refused="store_undecided"
)
"""A bundle without the root of the server would cost calls (rule what-is-served-stays); RFC 9110 section 15.6.4."""


class TerminalsApp:
    """`name` is the listener's, for those that count. `give_way` is called before each request, `rests` says whether nothing that
    is asked for by GET is handed out now. `requests` counts them all, where anybody wants to know.
    """

    def __init__(
        self,
        name: str,
        scheme: str,
        routes: Iterable[Route],
        *,
        acknowledgements: Acknowledgements,
        refusals: RefusalCounter,
        give_way: Callable[[], None],
        rests: Callable[[], bool] = lambda: False,
        requests: CountRequest | None = None,
    ) -> None:
        self.give_way = give_way
        self._rests = rests
        self.scheme = scheme
        self.acknowledgements = acknowledgements
        self.deadlines = Deadlines()
        self._name = name
        self._routes = tuple(routes)
        self._refusals = refusals
        self._requests = requests
        self._counted_as = f"terminals_{name}"

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | TerminalResponse:
        """The route for a path and the named parts of the path, or the response that refuses it. Slashes in a row count as one."""
        allowed: list[str] = []
        if "//" in path:
            path = _SLASHES.sub("/", path)
        for route in self._routes:
            found = route.matches(path)
            if found is None:
                continue
            if method in route.methods:
                return route, found.groupdict(default="")
            allowed += route.methods
        if allowed:
            return TerminalResponse(405, b"This method is not answered here.\n", {**TEXT, "allow": ", ".join(allowed)})
        return NOT_FOUND

    def answer(self, route: Route, request: TerminalRequest) -> TerminalResponse:
        if route.method == "GET" and self._rests():
            return RESTS
        try:
            return route.handler(request)
        except Exception:
            logger.exception("A request of a terminal could not be answered.")
            return text_response(500, "This could not be answered.")

    def count(
        self,
        response: TerminalResponse,
        client: Callable[[], str],
        *,
        route: str = NO_ROUTE,
        began: float | None = None,
    ) -> None:
        """`client`: says who asks. `began`: when the request was whole, by `time.perf_counter`; None where it never was."""
        if self._requests is not None:
            self._requests(
                self._counted_as, route, response.status, perf_counter() - began if began is not None else 0.0
            )
        if response.status >= 400:
            self._refusals.count(self._name, response.refused or str(response.status), client())
