"""IP system phones: the trust anchors by EST (RFC 7030 section 4.1, RFC 8951), which of them is served, the report and the
proof.

What a terminal says is evidence as soon as it was heard, whether or not the answer arrives: so the proof never overtakes
the report that it confirms (rules cacerts, report-then-proof).
"""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from certificates.pki import formats
from pbxcerts.system.time import timekeeping
from terminals.directory.device_tokens import token_hash
from terminals.drivers.base import Confirmation
from terminals.evidence.facts import Proved, Reported
from terminals.evidence.queue import EvidenceQueue
from terminals.web.routing import Route, TerminalRequest, TerminalResponse, text_response
from terminals.web.snapshot import Snapshot, SnapshotTerminal

CACERTS = "/.well-known/est/cacerts"
SUCCESSION = "/succession"
REPORT = "/report"
PROOF = "/proof"
MOST_FINGERPRINTS = 64
LONGEST_FIRMWARE = 64
LONGEST_USER_AGENT = 200

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.ASCII | re.IGNORECASE)  # RFC 6750 section 2.1
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


def ca_certificates_response(roots: tuple[bytes, ...]) -> bytes:
    """A certs-only PKCS#7 in DER, in base64 of one line (RFC 4648 section 3.1): strongSwan's `pki --estca` of Debian 12 reads
    only the first one; `roots` in PEM.
    """
    return base64.b64encode(formats.pkcs7_der([formats.load_pem(root) for root in roots]))


_cached_body = functools.lru_cache(maxsize=4)(ca_certificates_response)


class UnreadableReport(ValueError):
    """A report that is not one; the text is a sentence for its sender."""


def read_report(body: bytes) -> tuple[frozenset[str], str]:
    """The fingerprints that a terminal trusts, and its firmware ("" where it names none). Raises UnreadableReport."""
    try:
        report = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableReport("The report is not JSON.") from None
    if not isinstance(report, dict) or not isinstance(report.get("trusted"), list):
        raise UnreadableReport('The report is not an object with a list "trusted".')
    trusted = report["trusted"]
    if len(trusted) > MOST_FINGERPRINTS:
        raise UnreadableReport(f'"trusted" has more than {MOST_FINGERPRINTS} entries.')
    if not all(isinstance(one, str) for one in trusted):
        raise UnreadableReport('"trusted" has an entry that is not a text.')
    fingerprints = frozenset(one.replace(":", "").lower() for one in trusted)
    if not all(_FINGERPRINT.fullmatch(one) for one in fingerprints):
        raise UnreadableReport('"trusted" has an entry that is not a SHA-256 in hex.')
    firmware = report.get("firmware", "")
    if not isinstance(firmware, str):
        raise UnreadableReport('"firmware" is not a text.')
    return fingerprints, _printable(firmware, LONGEST_FIRMWARE)


@dataclass(frozen=True)
class EstHandlers:
    """The handlers. `current` gives the newest snapshot."""

    current: Callable[[], Snapshot]
    evidence: EvidenceQueue
    now: Callable[[], datetime] = timekeeping.machine_time

    @property
    def routes(self) -> tuple[Route, ...]:
        """For the terminals' listener over HTTPS."""
        return (
            Route("GET", re.escape(CACERTS), self.cacerts, "cacerts"),
            Route("GET", SUCCESSION, self.succession, "succession"),
            Route("POST", REPORT, self.report, "report"),
        )

    @property
    def proof_routes(self) -> tuple[Route, ...]:
        """For the proof listener."""
        return Route("GET", PROOF, self.prove, "proof"), Route("POST", PROOF, self.prove, "proof")

    def cacerts(self, request: TerminalRequest) -> TerminalResponse:
        """The roots of all pairs in the bundle, with a strong ETag (RFC 9110 sections 8.8.3 and 13.1.2)."""
        bundle = self.current().bundle
        if not bundle:
            return text_response(503, "No certificate has been generated yet.")
        body = _cached_body(tuple(pair.root_pem for pair in bundle))
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        caching = {"etag": tag, "cache-control": "no-cache"}
        if _knows(request.headers, tag):
            return TerminalResponse(304, headers=caching)
        # RFC 8951 section 3.1 has clients ignore the transfer encoding; older ones look for it.
        described = {
            "content-type": "application/pkcs7-mime; smime-type=certs-only",
            "content-transfer-encoding": "base64",
        }
        return TerminalResponse(200, body, {**described, **caching})

    def succession(self, request: TerminalRequest) -> TerminalResponse:
        """Which root is served and which are next, for a client that must not go back to one served before
        (rules succession, signed-succession).
        """
        snapshot = self.current()
        said = snapshot.succession
        if said is None:
            return text_response(503, "No certificate has been generated yet.")
        if request.presents != snapshot.active:
            # One of the two is seconds older than the other: what is said would be of another pair than is seen.
            return text_response(503, "The pair has just changed. Ask again.")
        body = json.dumps(said.now.words() | {"signatures": said.signatures}).encode()
        return TerminalResponse(200, body, {"content-type": "application/json", "cache-control": "no-cache"})

    def report(self, request: TerminalRequest) -> TerminalResponse:
        terminal = self._terminal(request)
        if isinstance(terminal, TerminalResponse):
            return terminal
        try:
            fingerprints, firmware = read_report(request.body)
        except UnreadableReport as error:
            return text_response(400, str(error), refused="bad_report")
        agent = _user_agent(request)
        self.evidence.add(Reported(terminal.key, fingerprints, agent, request.client, self.now(), firmware))
        return TerminalResponse(204)

    def prove(self, request: TerminalRequest) -> TerminalResponse:
        """That the request came at all shows that the terminal accepted the certificate of this connection."""
        terminal = self._terminal(request)
        if isinstance(terminal, TerminalResponse):
            return terminal
        if request.presents is None:
            return text_response(503, "No certificate is presented here.")
        # A HEAD is no request of this protocol.
        if request.method != "HEAD":
            agent = _user_agent(request)
            self.evidence.add(Proved(terminal.key, request.presents, agent, request.client, self.now()))
        return TerminalResponse(204)

    def _terminal(self, request: TerminalRequest) -> SnapshotTerminal | TerminalResponse:
        """The terminal whose token the request has, or the refusal.

        The token is looked up by its hash, so that the time it takes tells nothing about any token.
        """
        bearer = _BEARER.fullmatch(request.headers.get("authorization", ""))
        if bearer is None:
            return _unauthorised("A token is needed: Authorization: Bearer TOKEN.", "", refused="no_token")
        snapshot = self.current()
        terminal = snapshot.by_token.get(token_hash(bearer[1]))
        if terminal is None:
            wrong = ', error="invalid_token"'
            return _unauthorised("This token is not known, or it was revoked.", wrong, refused="wrong_token")
        if snapshot.type_of(terminal).driver.capabilities.confirmation is not Confirmation.PROOF:
            return text_response(403, "Terminals of this type do not report.", refused="wrong_type")
        return terminal


def _unauthorised(words: str, error: str, *, refused: str) -> TerminalResponse:
    headers = {"content-type": "text/plain; charset=utf-8", "www-authenticate": f'Bearer realm="pbxcerts"{error}'}
    return TerminalResponse(401, f"{words}\n".encode(), headers, refused=refused)


def _knows(headers: Mapping[str, str], tag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110 section 13.1.2)."""
    given = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return "*" in given or tag in given


def _user_agent(request: TerminalRequest) -> str:
    return _printable(request.headers.get("user-agent", ""), LONGEST_USER_AGENT)


def _printable(words: str, longest: int) -> str:
    """Without what a database or a page could choke on: control characters and lone surrogates."""
    return "".join(filter(str.isprintable, words))[:longest]
