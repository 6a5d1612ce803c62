"""Telephones that load their files by themselves: configuration files and trust files, and what their fetching proves.

    /<file>                                  a configuration file, without lines that hold passwords
    /<path secret>/<file>                    HTTPS only; the terminal's own path
    /<MAC>/<version>.<random part>.pem       the versioned trust file that the configuration names; the one that the terminal's
                                             own path names has another random part

What the files are called and how a telephone names itself its driver knows (`terminals.drivers.configuration.ConfigurationFiles`;
rules versioned-file, own-lines, user-agent, proved-fetch).
"""

import hmac
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from pbxcerts.system.network.one_address import source_of
from pbxcerts.system.time import timekeeping
from terminals.checking.models import Saying
from terminals.drivers.base import AnchorsCome, Confirmation
from terminals.drivers.configuration import (
    ConfigurationFile,
    ConfigurationFiles,
    FileOf,
    OwnLinesError,
    PhoneTls,
    TrustAnchor,
    UserAgent,
)
from terminals.drivers.registry import drivers
from terminals.evidence.facts import CameBack, Fact, FetchedConfiguration, FetchedTrust, LoggedEvent, UnknownPhone
from terminals.trust_file import MEDIA_TYPES, TrustFile, generations_of
from terminals.web.routing import NOT_FOUND, Route, TerminalRequest, TerminalResponse, text_response
from terminals.web.snapshot import Snapshot, Snapshots, SnapshotTerminal, SnapshotType

ALL_FILES: tuple[ConfigurationFiles, ...] = tuple(driver.files for driver in drivers().values() if driver.files)
FILE = f"(?P<name>{'|'.join(files.pattern for files in ALL_FILES)})"
SECRET = r"(?P<secret>[0-9A-Za-z_-]{43})"  # noqa: S105 - a pattern, no secret
TRUST = (
    r"/(?P<mac>[0-9A-F]{12})/(?P<version>[0-9-]{1,80}\.[0-9a-f]{8})\.(?P<part>[0-9a-f]{32})\.(?P<format>pem|der|p7b)"
)
HOST = re.compile(r"(?:[0-9A-Za-z.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)

FETCHED_IN_CLEAR = EventKind(
    "fetched_over_http",
    Severity.NORMAL,
    _("Terminal %(number)s fetched its files over plain HTTP from %(address)s, within the bootstrap window."),
    cause=_("The terminal came while the bootstrap window was open."),
    consequence=_("None for calls. What it fetched could have been changed on the way."),
    remedy=_("Nothing in a network that you trust. Else compare the fingerprint of the root at the telephone."),
)

_NAMES = {files: re.compile(files.pattern).fullmatch for files in ALL_FILES}

ANY_NUMBER = 1_000_000
"""Places for those that number none."""

logger = logging.getLogger("pbxcerts.web")


class AskedFor(NamedTuple):
    """Of whose files a request asks for which, and what the telephone says of itself."""

    files: ConfigurationFiles
    file: ConfigurationFile
    telephone: UserAgent | None


class Visit(NamedTuple):
    """A request for a file of a terminal: what is known of it, `at` which time. `source`: what its address counts as. `path_is_secret`:
    it is asked for under the terminal's secret path. Put together once, because ten thousand telephones ask in a row.
    """

    request: TerminalRequest
    snapshot: Snapshot
    terminal: SnapshotTerminal
    known_type: SnapshotType
    source: str
    at: datetime
    path_is_secret: bool = False

    @property
    def over_tls(self) -> bool:
        return self.request.scheme == "https"

    @property
    def is_own(self) -> bool:
        """Whether it shows by itself, over TLS, that it is the telephone's own."""
        shown = self.path_is_secret or self.snapshot.is_own_address(self.terminal, self.request.client)
        return self.over_tls and shown


class ProvisioningHandlers:
    """`https_port` and `http_port` are those under which terminals reach the listeners, None where one is off."""

    def __init__(
        self,
        snapshots: Snapshots,
        *,
        https_port: int | None,
        http_port: int | None,
        now: Callable[[], datetime] = timekeeping.machine_time,
    ) -> None:
        self._snapshots = snapshots
        self._https_port = https_port
        self._http_port = http_port
        self._now = now

    def routes_over_https(self) -> list[Route]:
        return [
            *self.routes_over_http(),
            Route("GET", f"/{SECRET}/{FILE}", self._own_configuration, "own_configuration"),
        ]

    def routes_over_http(self) -> list[Route]:
        """Within a bootstrap window; never the path with the secret, which would be readable on the network."""
        return [
            Route("GET", f"/{FILE}", self._configuration, "configuration"),
            Route("GET", TRUST, self._trust, "trust"),
        ]

    # -- handlers --------------------------------------------------------------------------------------------------

    def _configuration(self, request: TerminalRequest) -> TerminalResponse:
        snapshot = self._snapshots.current
        asked = _asked_for(request.parameters["name"], request.headers.get("user-agent", ""))
        files, file, telephone = asked
        mac = file.mac or (telephone.mac if telephone else "")
        if not mac:
            # Nobody is named: a phone that goes on to ask for its own file is not stopped here.
            given_on = file.of is FileOf.ALL and request.scheme == "https"
            return TerminalResponse(200, files.content(file, None), _headers(files)) if given_on else NOT_FOUND
        terminal = snapshot.by_mac.get(mac)
        if terminal is None:
            return self._unknown(request, file, telephone)
        visit = self._visit(request, snapshot, terminal)
        if files is not visit.known_type.driver.files:
            # Another maker's telephone, or one that does not say whose it is.
            return self._file(visit)
        return self._given_file(visit, asked)

    def _own_configuration(self, request: TerminalRequest) -> TerminalResponse:
        snapshot = self._snapshots.current
        terminal = snapshot.by_path_secret.get(request.parameters["secret"])
        if terminal is None:
            return text_response(404, "Not found.", refused="unknown_path")
        return self._file(self._visit(request, snapshot, terminal, path_is_secret=True))

    def _trust(self, request: TerminalRequest) -> TerminalResponse:
        snapshot = self._snapshots.current
        parameters = request.parameters
        terminal = snapshot.by_mac.get(parameters["mac"])
        if terminal is None:
            return text_response(404, "Not found.", refused="unknown_path")
        # Over plain HTTP it would be readable on the network, and prove nothing from then on.
        part, since = parameters["part"], snapshot.names.of.get(terminal.key, "")
        proves = request.scheme == "https" and hmac.compare_digest(terminal.proving_part(since), part)
        if not proves and not hmac.compare_digest(terminal.trust_part(since), part):
            return text_response(404, "Not found.", refused="unknown_path")
        visit = self._visit(request, snapshot, terminal)
        known_type = visit.known_type
        files = known_type.driver.files
        telephone = files.telephone(request.headers.get("user-agent", "")) if files else None
        if telephone is not None and telephone.mac != terminal.mac:
            return text_response(404, "Not found.", refused="foreign_mac")
        content = snapshot.trust_content(known_type, parameters["version"])
        can = known_type.driver.capabilities
        by_fetching = can.confirmation is Confirmation.FETCH and can.come is not AnchorsCome.INLINE
        if not by_fetching or not known_type.files or content is None:
            return text_response(404, "Not found.", refused="unknown_version")
        fetched = FetchedTrust(
            terminal=terminal.key,
            generations=generations_of(parameters["version"]),
            # Without its random part: the name stands on pages.
            file=f"{parameters['version']}.{parameters['format']}",
            user_agent=_user_agent(request),
            address=request.client,
            at=visit.at,
            firmware=telephone.firmware if telephone else "",
            by_secret_path=proves,
        )
        headers = {"content-type": MEDIA_TYPES[known_type.files[0].format]}
        return self._given_out(visit, content, headers, (fetched,))

    def _visit(
        self,
        request: TerminalRequest,
        snapshot: Snapshot,
        terminal: SnapshotTerminal,
        *,
        path_is_secret: bool = False,
    ) -> Visit:
        source = source_of(request.client)
        return Visit(request, snapshot, terminal, snapshot.types[terminal.type], source, self._now(), path_is_secret)

    # -- what is answered --------------------------------------------------------------------------------------------

    def _unknown(
        self, request: TerminalRequest, file: ConfigurationFile, telephone: UserAgent | None
    ) -> TerminalResponse:
        """Answer a phone that is not in the list: 404, as for any unknown path. Its MAC is remembered as discovered."""
        if telephone is not None and file.mac not in {"", telephone.mac}:
            return text_response(404, "Not found.", refused="foreign_mac")
        unknown = UnknownPhone(
            mac=file.mac or (telephone.mac if telephone else ""),
            model=telephone.model if telephone else "",
            firmware=telephone.firmware if telephone else "",
            address=request.client,
            at=self._now(),
        )
        return TerminalResponse(404, NOT_FOUND.body, NOT_FOUND.headers, evidence=(unknown,), refused="unknown_phone")

    def _file(self, visit: Visit) -> TerminalResponse:
        files = visit.known_type.driver.files
        name = visit.request.parameters["name"]
        if files is None or not _NAMES[files](name):
            return NOT_FOUND
        telephone = files.telephone(visit.request.headers.get("user-agent", ""))
        return self._given_file(visit, AskedFor(files, files.requested(name), telephone))

    def _given_file(self, visit: Visit, asked: AskedFor) -> TerminalResponse:
        request, snapshot, terminal, known_type, source, at, path_is_secret = visit
        files, file, telephone = asked
        if file.mac not in {"", terminal.mac} or (telephone is not None and telephone.mac != terminal.mac):
            return text_response(404, "Not found.", refused="foreign_mac")
        if file.of is FileOf.MODEL:
            models = {known_type.model.lower(), telephone.model.lower() if telephone else ""} - {""}
            if file.model.lower() not in models:
                return NOT_FOUND
        named = snapshot.named_file(terminal, source)
        tls = self._tls(visit, named) if named is not None else None
        if named is None or tls is None:
            return text_response(404, "Not found.", refused="no_trust_file")
        # One of another family would take the file, and nothing by it (rule inline-anchors).
        is_meant = telephone is None or telephone.is_meant
        if not is_meant:
            tls = PhoneTls("")
        lines: list[str] = []
        if file.of is not FileOf.ALL:
            lines += _own_lines_of_type(files, known_type.own_lines, path_is_secret=path_is_secret)
        if file.of is FileOf.TERMINAL:
            lines += _own_lines(files, terminal.own_lines, path_is_secret=path_is_secret)
        body = files.content(file, tls if is_meant else None, own_lines=lines)
        can = known_type.driver.capabilities
        proves = path_is_secret and visit.over_tls
        named_by_it: frozenset[int] = frozenset()
        if tls.trust_url or tls.anchors:
            named_by_it = known_type.generations if can.come.names_each else frozenset(named.generations)
        name, agent, client = request.parameters["name"], _user_agent(request), request.client
        firmware = telephone.firmware if telephone else ""
        evidence: tuple[Fact, ...] = ()
        if can.come is AnchorsCome.INLINE:
            # Who has taken this configuration has taken the trust anchors in it (rule inline-anchors).
            evidence = (FetchedTrust(terminal.key, named_by_it, name, agent, client, at, firmware, proves),)
        elif file.of is FileOf.TERMINAL:
            # The phone's own file is the one that it fetches last: with it the phone is back.
            evidence = (FetchedConfiguration(terminal.key, name, agent, client, at, firmware, named_by_it, proves),)
        if evidence and terminal.key in snapshot.checking.of:
            said = {"by_secret_path": proves, "empties": tls.empties}
            came = CameBack(terminal.key, tls.checking, visit.over_tls, request.client, at, **said)
            evidence = (*evidence, came)
        return self._given_out(visit, body, _headers(files), evidence)

    def _given_out(
        self, visit: Visit, body: bytes, headers: Mapping[str, str], evidence: tuple[Fact, ...]
    ) -> TerminalResponse:
        """Give the file out. Over plain HTTP that is done only within a bootstrap window, and logged."""
        if visit.request.scheme == "https":
            return TerminalResponse(200, body, headers, evidence)
        terminal, client = visit.terminal, visit.request.client
        window = visit.snapshot.window_for(terminal, visit.at)
        if window is None:
            return text_response(404, "Not found.", refused="no_window")
        params = {"number": terminal.number, "address": client}
        notice = Notice(FETCHED_IN_CLEAR, f"{window.key} {terminal.number} {client}", params)
        return TerminalResponse(200, body, headers, (*evidence, LoggedEvent(notice, visit.at)))

    def _tls(self, visit: Visit, named: TrustFile) -> PhoneTls | None:
        """What a terminal's configuration hands over, which is to name this file; None if nobody knows how terminals reach us."""
        request, snapshot, terminal, known_type, _source, at, path_is_secret = visit
        port = self._https_port if request.scheme == "https" else self._http_port
        where = f"{snapshot.own_host}:{port}" if snapshot.own_host else request.headers.get("host", "")
        if not _is_host(where):
            return None
        since = snapshot.names.of.get(terminal.key, "")

        def url(file: TrustFile) -> str:
            return f"{request.scheme}://{where}{trust_path(terminal, file, proves=path_is_secret, since=since)}"

        host, proxy_port = snapshot.proxy
        said = snapshot.saying(terminal)
        checking = self._checking(visit, said) if said is not None else None
        can = known_type.driver.capabilities
        if not can.come.names_each:
            empties = known_type.empties_list and said is not None and said.empties(at) and visit.is_own
            names_none = empties or (said is not None and said.names_nothing(at))
            return PhoneTls("" if names_none else url(named), host, proxy_port, checking=checking, empties=empties)
        places = snapshot.places(can.holds or ANY_NUMBER)
        if can.come is AnchorsCome.INLINE:
            # Without a URL, so that it is the same for all of them.
            anchors = tuple([TrustAnchor(file.text, "", places.of[file.generations[0]]) for file in known_type.files])
            return PhoneTls("", host, proxy_port, anchors, places.emptied, checking)
        anchors = tuple(
            [TrustAnchor(file.text, url(file), places.of[file.generations[0]]) for file in known_type.files]
        )
        return PhoneTls(url(named), host, proxy_port, anchors, places.emptied, checking)

    def _checking(self, visit: Visit, said: Saying) -> bool | None:
        """What the file says of the check (rule checking). To check is told only over TLS, and to who is shown to be the telephone."""
        checking = said.at(visit.at)
        if not checking:
            return checking
        # One that takes each by itself may have lost the served one, and begins anew with another.
        snapshot, can = visit.snapshot, visit.known_type.driver.capabilities
        holds = snapshot.taken_in_turn.by.get((visit.terminal.key, visit.source), ())
        has_served = can.come is not AnchorsCome.IN_TURN or snapshot.active in holds
        return True if has_served and visit.is_own else None


def trust_path(terminal: SnapshotTerminal, file: TrustFile, *, proves: bool = False, since: str = "") -> str:
    """The path of a terminal's trust file on the listeners. The terminal has a MAC.

    `proves`: the one that only the terminal itself may learn. What anybody can read who knows a MAC names the other one. `since`: when
    it has this name, as `SnapshotTerminal.trust_part` has it.
    """
    part = terminal.proving_part(since) if proves else terminal.trust_part(since)
    return f"/{terminal.mac}/{file.version}.{part}.{file.format}"


def _asked_for(name: str, user_agent: str) -> AskedFor:
    """Whose configuration file is asked for. Several makers may use one name; then the User-Agent decides."""
    first = None
    for files, matches in _NAMES.items():
        if matches(name):
            if telephone := files.telephone(user_agent):
                return AskedFor(files, files.requested(name), telephone)
            first = first or files
    # The path was matched by one of these names.
    whose = first or ALL_FILES[0]
    return AskedFor(whose, whose.requested(name), None)


@lru_cache(maxsize=256)
def _is_host(words: str) -> bool:
    """Whether the Host field says where we are reached; kept, as all telephones of a site say the same."""
    return HOST.fullmatch(words) is not None


@lru_cache(maxsize=256)
def _headers(files: ConfigurationFiles) -> Mapping[str, str]:
    return {"content-type": files.media_type, "cache-control": "no-store"}


def _user_agent(request: TerminalRequest) -> str:
    """As it was sent, of what can be kept and shown."""
    words = request.headers.get("user-agent", "")[:200]
    return words if words.isprintable() else "".join(filter(str.isprintable, words))


def _own_lines(files: ConfigurationFiles, lines: str, *, path_is_secret: bool) -> list[str]:
    """The own lines that may be served on this kind of path; none at all if a form would not have let them through."""
    if files.own_lines is None:
        return []
    try:
        return files.own_lines.served(lines, path_is_secret=path_is_secret)
    except OwnLinesError as error:
        logger.error("Own lines of a configuration file are not served: %s", error)
        return []


_own_lines_of_type = lru_cache(maxsize=256)(_own_lines)
