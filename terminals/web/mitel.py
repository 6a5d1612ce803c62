"""Mitel SIP phones: their configuration files and trust files, and what a phone's fetching them proves (DESIGN 3.7).

    /startup.cfg /aastra.cfg /<model>.cfg /<MAC>.cfg        without lines that hold passwords
    /<path secret>/<the same>                               HTTPS only; the terminal's own path
    /<MAC>/<version>.<random part>.pem                      the versioned trust file that the configuration names

A User-Agent names a phone and proves nothing: one that names another phone than the path does gets nothing.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import Kind, Notice
from pbxcerts.system.models import Severity
from terminals.drivers import mitel_configuration
from terminals.drivers.base import Method
from terminals.drivers.mitel_configuration import LinesError, Tls, UserAgent
from terminals.evidence import Logged, Unknown
from terminals.installations import FetchedConfiguration, FetchedTrust
from terminals.trust_file import MEDIA_TYPES, generations_of
from terminals.web.listener import NOT_FOUND, Request, Response, Route, text
from terminals.web.snapshot import KnownTerminal, KnownType, Snapshot, Snapshots

CONFIGURATION = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
COMMON = {"startup", "aastra"}
FILE = r"(?P<name>[0-9A-Za-z:._-]{1,64})\.cfg"
SECRET = r"(?P<secret>[0-9A-Za-z_-]{43})"  # noqa: S105 - a pattern, no secret
TRUST = (
    r"/(?P<mac>[0-9A-F]{12})/(?P<version>[0-9-]{1,80}\.[0-9a-f]{8})\.(?P<part>[0-9a-f]{32})\.(?P<format>pem|der|p7b)"
)
HOST = re.compile(r"(?:[0-9A-Za-z.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)

FETCHED_IN_CLEAR = Kind(
    "fetched_over_http",
    Severity.NORMAL,
    _("Terminal %(number)s fetched its files over plain HTTP from %(address)s, within the bootstrap window."),
)

logger = logging.getLogger("pbxcerts.web")


def _now() -> datetime:
    return datetime.now(UTC)


class Mitel:
    """`https_port` and `http_port` are those under which terminals reach the listeners, None where one is off."""

    def __init__(
        self,
        snapshots: Snapshots,
        *,
        https_port: int | None,
        http_port: int | None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._snapshots = snapshots
        self._https_port = https_port
        self._http_port = http_port
        self._now = now

    def routes_over_https(self) -> list[Route]:
        return [
            Route("GET", f"/{FILE}", self._configuration),
            Route("GET", f"/{SECRET}/{FILE}", self._own_configuration),
            Route("GET", TRUST, self._trust),
        ]

    def routes_over_http(self) -> list[Route]:
        """Within a bootstrap window; never the path with the secret, which would be readable on the network."""
        return [
            Route("GET", f"/{FILE}", self._configuration),
            Route("GET", TRUST, self._trust),
        ]

    # -- handlers --------------------------------------------------------------------------------------------------

    def _configuration(self, request: Request) -> Response:
        snapshot = self._snapshots.current
        agent = _agent(request)
        name = request.parameters["name"]
        mac = mitel_configuration.mac_of(name)
        if mac is None and agent is None:
            # Nobody is named: a phone that goes on to ask for its own file is not stopped here.
            return Response(200, b"", CONFIGURATION) if name in COMMON and request.scheme == "https" else NOT_FOUND
        terminal = snapshot.by_mac.get(mac or (agent.mac if agent else ""))
        if terminal is None:
            return self._unknown(request, mac, agent)
        return self._file(request, snapshot, terminal, agent, path_is_secret=False)

    def _own_configuration(self, request: Request) -> Response:
        snapshot = self._snapshots.current
        terminal = snapshot.by_path_secret.get(request.parameters["secret"])
        if terminal is None:
            return text(404, "Not found.", refused="unknown_path")
        return self._file(request, snapshot, terminal, _agent(request), path_is_secret=True)

    def _trust(self, request: Request) -> Response:
        snapshot = self._snapshots.current
        parameters = request.parameters
        terminal = snapshot.by_mac.get(parameters["mac"])
        if terminal is None or not hmac.compare_digest(terminal.trust_secret, parameters["part"]):
            return text(404, "Not found.", refused="unknown_path")
        agent = _agent(request)
        if agent is not None and agent.mac != terminal.mac:
            return text(404, "Not found.", refused="foreign_mac")
        known_type = snapshot.type_of(terminal)
        content = snapshot.trust_content(known_type, parameters["version"])
        if known_type.method != Method.MITEL_SIP or known_type.trust is None or content is None:
            return text(404, "Not found.", refused="unknown_version")
        fetched = FetchedTrust(
            terminal=terminal.key,
            generations=generations_of(parameters["version"]),
            file=request.path.rpartition("/")[2],
            user_agent=_user_agent(request),
            address=request.client,
            at=self._now(),
            firmware=agent.firmware if agent else "",
        )
        headers = {"content-type": MEDIA_TYPES[known_type.trust.format]}
        return self._given_out(request, terminal, Response(200, content, headers, evidence=(fetched,)))

    # -- what is answered --------------------------------------------------------------------------------------------

    def _unknown(self, request: Request, mac: str | None, agent: UserAgent | None) -> Response:
        """A phone that is not in the list is remembered by the MAC that it asks by; the answer tells nothing."""
        if agent is not None and mac is not None and agent.mac != mac:
            return text(404, "Not found.", refused="foreign_mac")
        unknown = Unknown(
            mac=mac or (agent.mac if agent else ""),
            model=agent.model if agent else "",
            firmware=agent.firmware if agent else "",
            address=request.client,
            at=self._now(),
        )
        return Response(404, NOT_FOUND.body, NOT_FOUND.headers, evidence=(unknown,), refused="unknown_phone")

    def _file(
        self,
        request: Request,
        snapshot: Snapshot,
        terminal: KnownTerminal,
        agent: UserAgent | None,
        *,
        path_is_secret: bool,
    ) -> Response:
        name = request.parameters["name"]
        mac = mitel_configuration.mac_of(name)
        if mac not in {None, terminal.mac} or (agent is not None and agent.mac != terminal.mac):
            return text(404, "Not found.", refused="foreign_mac")
        known_type = snapshot.type_of(terminal)
        models = {known_type.model.lower(), agent.model.lower() if agent else ""} - {""}
        if known_type.method != Method.MITEL_SIP or (mac is None and name not in COMMON and name.lower() not in models):
            return NOT_FOUND
        url = self._trust_url(request, snapshot, terminal, known_type)
        if not url:
            return text(404, "Not found.", refused="no_trust_file")
        lines: list[str] = []
        if name not in COMMON:
            lines += _own_lines_of_type(known_type.own_lines, path_is_secret=path_is_secret)
        if mac is not None:
            lines += _own_lines(terminal.own_lines, path_is_secret=path_is_secret)
        host, port = snapshot.proxy
        tls = Tls(trust_url=url, proxy_host=host, proxy_port=port)
        body = mitel_configuration.configuration(tls, own_lines=lines).encode()
        fetched = FetchedConfiguration(
            terminal=terminal.key,
            file=f"{name}.cfg",
            user_agent=_user_agent(request),
            address=request.client,
            at=self._now(),
            firmware=agent.firmware if agent else "",
        )
        # The phone's own file is the one that it fetches last: with it the phone is back.
        evidence = (fetched,) if mac is not None else ()
        return self._given_out(request, terminal, Response(200, body, CONFIGURATION, evidence=evidence))

    def _given_out(self, request: Request, terminal: KnownTerminal, response: Response) -> Response:
        """Over plain HTTP only within a bootstrap window, and logged."""
        if request.scheme == "https":
            return response
        now = self._now()
        window = self._snapshots.current.window_for(terminal, now)
        if window is None:
            return text(404, "Not found.", refused="no_window")
        notice = Notice(
            FETCHED_IN_CLEAR,
            subject=f"{window.key} {terminal.number} {request.client}",
            params={"number": terminal.number, "address": request.client},
        )
        return response._replace(evidence=(*response.evidence, Logged(notice, now)))

    def _trust_url(self, request: Request, snapshot: Snapshot, terminal: KnownTerminal, known_type: KnownType) -> str:
        """ "" where there is no pair yet, or where nobody knows how terminals reach pbxcerts."""
        over_http = request.scheme == "http"
        port = self._http_port if over_http else self._https_port
        where = f"{snapshot.own_host}:{port}" if snapshot.own_host else request.headers.get("host", "")
        if known_type.trust is None or not HOST.fullmatch(where):
            return ""
        return f"{request.scheme}://{where}{trust_path(terminal, known_type)}"


def trust_path(terminal: KnownTerminal, known_type: KnownType) -> str:
    """Where its trust file is, on the listener. Needs a MAC and a trust file."""
    assert known_type.trust is not None  # noqa: S101 - the caller has looked
    trust = known_type.trust
    return f"/{terminal.mac}/{known_type.version}.{terminal.trust_secret}.{trust.format.value}"


def _agent(request: Request) -> UserAgent | None:
    return mitel_configuration.user_agent(request.headers.get("user-agent", ""))


def _user_agent(request: Request) -> str:
    """As it was sent, of what can be kept and shown."""
    words = request.headers.get("user-agent", "")[:200]
    return words if words.isprintable() else "".join(filter(str.isprintable, words))


def _own_lines(lines: str, *, path_is_secret: bool) -> list[str]:
    """Those that may be served there. What a form would not have let through is left out whole."""
    try:
        checked = mitel_configuration.own_lines(lines, path_is_secret=True)
    except LinesError as error:
        logger.error("Own lines of a configuration file are not served: %s", error)
        return []
    return [line for line in checked if path_is_secret or not mitel_configuration.holds_secret(line)]


_own_lines_of_type = lru_cache(maxsize=256)(_own_lines)
