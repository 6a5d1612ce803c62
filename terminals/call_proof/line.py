"""SIP messages on one TLS connection to the server, both ways. It waits for an answer at a time, and answers what the server asks."""

from __future__ import annotations

import hashlib
import secrets
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from certificates.call_proof.steps import Finding
from pbxcerts.system.network.endpoint import Endpoint
from terminals.call_proof.errors import StepFailed
from terminals.sip.digest import Authorization, Credentials, read_challenges
from terminals.sip.errors import MalformedMessage
from terminals.sip.message import (
    BRANCH_COOKIE,
    MessageFraming,
    SentBy,
    SipResponse,
    body_of,
    read_request,
    read_response,
    write_request,
    write_response,
)

MOST_OCTETS = 1_000_000
"""Of all that a server sends in one proof."""
_WANTED = frozenset({"to", "record-route"})
_FIELDS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}
_PHRASES = {
    200: "OK",
    405: "Method Not Allowed",
    481: "Call Does Not Exist",
    486: "Busy Here",
    488: "Not Acceptable Here",
}


@dataclass(frozen=True)
class Answer:
    response: SipResponse
    body: bytes = b""

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def said(self) -> str:
        return f"{self.response.status} {self.response.phrase}".strip()


class Line:
    """`until`: when all is over, by the monotonic clock. `call`: the Call-ID of the call that is up; `hung_up`: whether the
    other side has ended it.
    """

    def __init__(self, connection: ssl.SSLSocket, *, until: float) -> None:
        self.connection = connection
        self.until = until
        self.call = ""
        self.hung_up = False
        host, port = connection.getsockname()[:2]
        self.own_host = host.partition("%")[0].removeprefix("::ffff:")
        self.sender = SentBy("TLS", str(Endpoint(self.own_host, port)), ";transport=tls")
        self._framing = MessageFraming()
        self._whole: deque[bytes] = deque()
        self._octets = 0

    def write(self, octets: bytes) -> None:
        """Raises StepFailed."""
        try:
            self.connection.settimeout(max(0.001, self.until - time.monotonic()))
            self.connection.sendall(octets)
        except OSError as error:
            raise StepFailed(Finding.CLOSED, error) from error

    def next_answer(self, until: float) -> Answer | None:
        """The next response, whichever request it is for; None where none comes in time. Raises StepFailed."""
        while (message := self._next(until)) is not None:
            if message.startswith(b"HTTP/"):
                raise StepFailed(Finding.NO_SIP, message.partition(b"\r")[0].decode("latin-1"))
            if not message.startswith(b"SIP/"):
                self._reply(message)
                continue
            try:
                return Answer(read_response(message, also=_WANTED), body_of(message))
            except MalformedMessage as error:
                raise StepFailed(Finding.GARBLED, error) from error
        return None

    def close(self) -> None:
        self.connection.close()

    def _next(self, until: float) -> bytes | None:
        while not self._whole:
            left = min(until, self.until) - time.monotonic()
            try:
                self.connection.settimeout(max(0.001, left))
                octets = self.connection.recv(16_384)
            except TimeoutError:
                return None
            except OSError as error:
                raise StepFailed(Finding.CLOSED, error) from error
            if not octets:
                raise StepFailed(Finding.CLOSED)
            self._octets += len(octets)
            try:
                self._whole.extend(self._framing.feed(octets))
            except MalformedMessage as error:
                raise StepFailed(Finding.GARBLED, error) from error
            if self._octets > MOST_OCTETS:
                raise StepFailed(Finding.GARBLED, "too much")
            if left <= 0 and not self._whole:
                return None
        return self._whole.popleft()

    def _reply(self, message: bytes) -> None:
        try:
            request = read_request(message)
        except MalformedMessage as error:
            raise StepFailed(Finding.GARBLED, error) from error
        ours = bool(self.call) and request.headers["call-id"] == self.call
        match request.method:
            case "ACK":
                return
            case "BYE":
                self.hung_up = self.hung_up or ours
                status = 200 if ours else 481
            case "OPTIONS" | "NOTIFY":
                status = 200
            case "INVITE" | "UPDATE":
                status = 488 if ours else 486
            case _:
                status = 405
        tag = hashlib.sha256(request.headers["call-id"].encode()).hexdigest()[:16]
        self.write(write_response(request, status, _PHRASES[status], tag=tag))


@dataclass
class Talk:
    """The requests of one Call-ID. A challenge is answered once, and once more where only the nonce was too old: a wrong password
    is tried once, and locks no account (rule challenges). The connection is verified, so any realm may ask.
    """

    line: Line
    me: str
    other: str
    user: str = ""
    password: str = field(default="", repr=False)
    call_id: str = field(default_factory=lambda: secrets.token_hex(12))
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    cseq: int = 0
    branch: str = ""
    _answered: dict[int, int] = field(default_factory=dict)
    _authorizations: dict[int, Authorization] = field(default_factory=dict, repr=False)

    def ask(
        self,
        method: str,
        uri: str,
        *,
        within: float,
        lines: Sequence[str] = (),
        body: bytes = b"",
        to: str = "",
    ) -> Answer:
        """The final response. Raises StepFailed: with RINGS where only provisional ones came."""
        while True:
            self.cseq += 1
            self.branch = f"{BRANCH_COOKIE}{secrets.token_hex(12)}"
            authorization = [
                f"{_FIELDS[status][1]}: {one.value(method=method, uri=uri, cnonce=secrets.token_hex(8))}"
                for status, one in self._authorizations.items()
            ]
            self.send(method, uri, cseq=self.cseq, lines=[*lines, *authorization], body=body, to=to)
            answer = self.wait(method, time.monotonic() + within)
            if method == "INVITE" and answer.status >= 300:
                self.send("ACK", uri, cseq=self.cseq, to=answer.response.headers.get("to", ""))
            if not self._takes_challenge(answer):
                return answer

    def wait(self, method: str, until: float) -> Answer:
        """For the final response to the last request."""
        rang = ""
        while (answer := self.line.next_answer(until)) is not None:
            response = answer.response
            if (response.call_id, response.cseq, response.method) != (self.call_id, self.cseq, method):
                continue
            if response.branch != self.branch:
                continue
            if response.status >= 200:
                return answer
            rang = answer.said
        raise StepFailed(Finding.RINGS if rang else Finding.SILENT, rang)

    def send(
        self, method: str, uri: str, *, cseq: int, lines: Sequence[str] = (), body: bytes = b"", to: str = ""
    ) -> None:
        head = [
            f"From: <{self.me}>;tag={self.tag}",
            f"To: {to or f'<{self.other}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            *lines,
        ]
        sender = self.line.sender
        octets = write_request(
            method, uri, sender=sender, branch=self.branch, lines=head, body=body, body_type="application/sdp"
        )
        self.line.write(octets)

    def _takes_challenge(self, answer: Answer) -> bool:
        """Whether it is a challenge that the next request answers."""
        if answer.status not in _FIELDS:
            return False
        challenges = read_challenges(answer.response.headers.get(_FIELDS[answer.status][0], ""))
        usable = [one for one in challenges if one.can_be_answered]
        if not usable or not self.user:
            return False
        chosen = max(usable, key=lambda one: one.is_strong)
        times = self._answered.get(answer.status, 0)
        if times > 1 or (times == 1 and not chosen.stale):
            return False
        self._answered[answer.status] = times + 1
        credentials = Credentials(self.user, self.password, chosen.realm)
        self._authorizations[answer.status] = Authorization(chosen, credentials)
        return True
