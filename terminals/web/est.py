"""IP system phones: the trust anchors by EST (RFC 7030 section 4.1, RFC 8951), the report and the proof (DESIGN 3.7).

`/cacerts` needs no login. Report and proof carry the terminal's token. What a terminal says is evidence as soon as it was heard,
whether or not the answer arrives: so the proof never overtakes the report that it confirms.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from certificates.pki import formats
from terminals.device_tokens import token_hash
from terminals.drivers.base import Method
from terminals.evidence import Evidence
from terminals.installations import Proved, Reported
from terminals.web.listener import Request, Response, Route, text
from terminals.web.snapshot import KnownTerminal, Snapshot

CACERTS = "/.well-known/est/cacerts"
REPORT = "/report"
PROOF = "/proof"
MOST_FINGERPRINTS = 64
LONGEST_FIRMWARE = 64
LONGEST_USER_AGENT = 200

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.ASCII | re.IGNORECASE)  # RFC 6750 section 2.1
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


def cacerts_body(roots: tuple[bytes, ...]) -> bytes:
    """A certs-only PKCS#7 in DER, in base64 with lines; `roots` in PEM."""
    return base64.encodebytes(formats.pkcs7_der([formats.load_pem(root) for root in roots]))


_cached_body = functools.lru_cache(maxsize=4)(cacerts_body)


class Unreadable(ValueError):
    """A report that is not one; the text is a sentence for its sender."""


def read_report(body: bytes) -> tuple[frozenset[str], str]:
    """The fingerprints that a terminal trusts, and its firmware ("" where it names none). Raises Unreadable."""
    try:
        report = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("The report is not JSON.") from None
    if not isinstance(report, dict) or not isinstance(report.get("trusted"), list):
        raise Unreadable('The report is not an object with a list "trusted".')
    trusted = report["trusted"]
    if len(trusted) > MOST_FINGERPRINTS:
        raise Unreadable(f'"trusted" has more than {MOST_FINGERPRINTS} entries.')
    if not all(isinstance(one, str) for one in trusted):
        raise Unreadable('"trusted" has an entry that is not a text.')
    fingerprints = frozenset(one.replace(":", "").lower() for one in trusted)
    if not all(_FINGERPRINT.fullmatch(one) for one in fingerprints):
        raise Unreadable('"trusted" has an entry that is not a SHA-256 in hex.')
    firmware = report.get("firmware", "")
    if not isinstance(firmware, str):
        raise Unreadable('"firmware" is not a text.')
    return fingerprints, _printable(firmware, LONGEST_FIRMWARE)


@dataclass(frozen=True)
class Est:
    """The handlers. `current` gives the newest snapshot."""

    current: Callable[[], Snapshot]
    evidence: Evidence
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def routes(self) -> tuple[Route, ...]:
        """For the terminals' listener over HTTPS."""
        return Route("GET", re.escape(CACERTS), self.cacerts), Route("POST", REPORT, self.report)

    @property
    def proof_routes(self) -> tuple[Route, ...]:
        """For the proof listener."""
        return Route("GET", PROOF, self.prove), Route("POST", PROOF, self.prove)

    def cacerts(self, request: Request) -> Response:
        """The roots of all pairs in the bundle, with a strong ETag (RFC 9110 sections 8.8.3 and 13.1.2)."""
        bundle = self.current().bundle
        if not bundle:
            return text(503, "No certificate has been generated yet.")
        body = _cached_body(tuple(pair.root_pem for pair in bundle))
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        caching = {"etag": tag, "cache-control": "no-cache"}
        if _knows(request.headers, tag):
            return Response(304, headers=caching)
        # RFC 8951 section 3.1 has clients ignore the transfer encoding; older ones look for it.
        described = {
            "content-type": "application/pkcs7-mime; smime-type=certs-only",
            "content-transfer-encoding": "base64",
        }
        return Response(200, body, {**described, **caching})

    def report(self, request: Request) -> Response:
        terminal = self._terminal(request)
        if isinstance(terminal, Response):
            return terminal
        try:
            fingerprints, firmware = read_report(request.body)
        except Unreadable as error:
            return text(400, str(error), refused="bad_report")
        agent = _user_agent(request)
        self.evidence.add(Reported(terminal.key, fingerprints, agent, request.client, self.now(), firmware))
        return Response(204)

    def prove(self, request: Request) -> Response:
        """That the request came at all shows that the terminal accepted the certificate of this connection."""
        terminal = self._terminal(request)
        if isinstance(terminal, Response):
            return terminal
        if request.presents is None:
            return text(503, "No certificate is presented here.")
        # A HEAD is no request of this protocol.
        if request.method != "HEAD":
            agent = _user_agent(request)
            self.evidence.add(Proved(terminal.key, request.presents, agent, request.client, self.now()))
        return Response(204)

    def _terminal(self, request: Request) -> KnownTerminal | Response:
        """Whose token it is, or the refusal. Looked up by its hash: how long that takes tells nothing about a token."""
        bearer = _BEARER.fullmatch(request.headers.get("authorization", ""))
        if bearer is None:
            return _unauthorised("A token is needed: Authorization: Bearer TOKEN.", "", refused="no_token")
        snapshot = self.current()
        terminal = snapshot.by_token.get(token_hash(bearer[1]))
        if terminal is None:
            wrong = ', error="invalid_token"'
            return _unauthorised("This token is not known, or it was revoked.", wrong, refused="wrong_token")
        if snapshot.type_of(terminal).method != Method.IP_SYSTEM:
            return text(403, "Terminals of this type do not report.", refused="wrong_type")
        return terminal


def _unauthorised(words: str, error: str, *, refused: str) -> Response:
    headers = {"content-type": "text/plain; charset=utf-8", "www-authenticate": f'Bearer realm="pbxcerts"{error}'}
    return Response(401, f"{words}\n".encode(), headers, refused=refused)


def _knows(headers: Mapping[str, str], tag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110 section 13.1.2)."""
    given = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return "*" in given or tag in given


def _user_agent(request: Request) -> str:
    return _printable(request.headers.get("user-agent", ""), LONGEST_USER_AGENT)


def _printable(words: str, longest: int) -> str:
    """Without what a database or a page could choke on: control characters and lone surrogates."""
    return "".join(filter(str.isprintable, words))[:longest]
