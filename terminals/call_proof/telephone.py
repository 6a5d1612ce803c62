"""One telephone and what it does, one step after the other. Each step is recorded, whatever comes of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from socket import socket
from urllib.parse import quote

from certificates.call_proof.steps import Finding, ProofStep, Result, StepRecord, in_one_line
from pbxcerts.system.network.endpoint import Endpoint, bracketed
from terminals.call_proof import media
from terminals.call_proof.errors import StepFailed
from terminals.call_proof.line import Answer, Line, Talk
from terminals.call_proof.srtp import MasterKey

ANSWER_WITHIN = 10.0
RINGS_FOR = 20.0
LEAVE_WITHIN = 4.0
REGISTERED_FOR = 120
NOT_ACCEPTABLE = (488, 606)

# RFC 3261 section 25.1: what a user part holds without being escaped.
_USER = "-_.!~*'()&=+$,;?/"
_IN_BRACKETS = re.compile(r"<(sips?:[!#-;=?-\[\]-~]+)>")
_BARE = re.compile(r"(sips?:[!#-+\--:=?-\[\]-~]+)")


@dataclass(frozen=True)
class Account:
    """`number`: whom it calls; "" nobody."""

    user: str
    password: str = field(repr=False)
    number: str = ""


class Telephone:
    """On one connection. `domain`: what stands after the @."""

    def __init__(self, line: Line, where: str, *, domain: str, account: Account | None = None) -> None:
        self._line, self._where = line, where
        self._domain = bracketed(domain)
        self._account = account
        user = account.user if account else "pbxcerts"
        self._me = f"sip:{quote(user, safe=_USER)}@{self._domain}"
        self._contact = f"<sip:{quote(user, safe=_USER)}@{line.sender.address};transport=tls>"

    def options(self) -> StepRecord:
        """Any final response says that SIP is spoken there; only a server that can't work says so with 5xx."""

        def ask() -> StepRecord:
            server = f"sip:{self._domain}"
            talk = Talk(self._line, self._me, server)
            answer = talk.ask("OPTIONS", server, within=ANSWER_WITHIN, lines=[f"Contact: {self._contact}"])
            if 500 <= answer.status < 600 and answer.status != 501:
                raise StepFailed(Finding.REFUSED, answer.said)
            return StepRecord(ProofStep.OPTIONS, Result.OK, said=answer.said)

        return self._recorded(ProofStep.OPTIONS, ask)

    def registration_and_call(self) -> Iterator[StepRecord]:
        """REGISTER, the call if there is a number, and away again."""
        if self._account is None:
            yield StepRecord(ProofStep.REGISTER, Result.SKIPPED, Finding.NO_ACCOUNT)
            return
        account = self._account
        registrar = f"sip:{self._domain}"
        talk = Talk(self._line, self._me, self._me, account.user, account.password)
        registered = self._recorded(ProofStep.REGISTER, lambda: self._register(talk, registrar))
        yield registered
        if registered.result is Result.OK:
            try:
                yield from self._call(account)
            finally:
                with suppress(StepFailed):
                    leave = [f"Contact: {self._contact}", "Expires: 0"]
                    talk.ask("REGISTER", registrar, within=LEAVE_WITHIN, lines=leave)
        elif account.number:
            yield StepRecord(ProofStep.CALL, Result.SKIPPED, Finding.AFTER_FAILURE, self._where)

    def _register(self, talk: Talk, registrar: str) -> StepRecord:
        lines = [f"Contact: {self._contact}", f"Expires: {REGISTERED_FOR}"]
        answer = talk.ask("REGISTER", registrar, within=ANSWER_WITHIN, lines=lines)
        _refused(answer)
        return StepRecord(ProofStep.REGISTER, Result.OK, said=answer.said)

    def _call(self, account: Account) -> Iterator[StepRecord]:
        if not account.number:
            yield StepRecord(ProofStep.CALL, Result.SKIPPED, Finding.NO_NUMBER)
            return
        try:
            ear = media.open_ear(self._line.own_host)
        except StepFailed as failed:
            yield self._failed(ProofStep.CALL, failed)
            return
        with ear:
            call = self._new_call(account, ear)
            placed = self._recorded(ProofStep.CALL, call.place)
            if call.is_refused_for_its_speech:
                in_clear, call = placed.said, self._new_call(account, ear, MasterKey.new())
                placed = self._recorded(ProofStep.CALL, call.place)
                if placed.result is Result.FAILED:
                    placed = replace(placed, said=in_one_line(f"RTP: {in_clear}; SRTP: {placed.said}"))
            yield placed
            if placed.result is not Result.OK:
                return
            try:
                spoken = self._recorded(ProofStep.MEDIA, call.speak)
                yield replace(spoken, encrypted=call.is_encrypted)
            finally:
                hung_up = self._recorded(ProofStep.HANG_UP, call.hang_up)
            yield hung_up

    def _new_call(self, account: Account, ear: socket, key: MasterKey | None = None) -> _Call:
        other = f"sip:{quote(account.number, safe=_USER)}@{self._domain}"
        talk = Talk(self._line, self._me, other, account.user, account.password)
        return _Call(self._line, talk, other, self._contact, ear, key)

    def _recorded(self, step: ProofStep, do: Callable[[], StepRecord]) -> StepRecord:
        began = time.monotonic()
        try:
            record = do()
        except StepFailed as failed:
            record = self._failed(step, failed)
        said = in_one_line(record.said, without=self._account.password if self._account else "")
        return replace(record, where=self._where, said=said, seconds=round(time.monotonic() - began, 3))

    def _failed(self, step: ProofStep, failed: StepFailed) -> StepRecord:
        over = time.monotonic() >= self._line.until
        finding = Finding.TIME_IS_UP if over else failed.finding
        return StepRecord(step, Result.FAILED, finding, self._where, in_one_line(failed.said))


class _Call:
    """A call from INVITE to BYE (RFC 3261 sections 13 and 15). With a `key` its speech is encrypted."""

    def __init__(
        self, line: Line, talk: Talk, uri: str, contact: str, ear: socket, key: MasterKey | None = None
    ) -> None:
        self._line, self._talk, self._uri, self._contact = line, talk, uri, contact
        self._ear, self._key = ear, key
        self.is_refused_for_its_speech = False
        self._answer: Answer | None = None
        self._target = uri
        self._route: list[str] = []

    @property
    def is_encrypted(self) -> bool:
        return self._key is not None

    def place(self) -> StepRecord:
        """Where speech in clear is refused, and the call with it, it is to be placed anew with encrypted speech: whoever takes a call
        in clear is telephoned with as ever.
        """
        offer = media.offer(self._line.own_host, self._ear.getsockname()[1], self._key)
        lines = [f"Contact: {self._contact}", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS", "Accept: application/sdp"]
        try:
            answer = self._talk.ask("INVITE", self._uri, within=RINGS_FOR, lines=lines, body=offer)
        except StepFailed as failed:
            if failed.finding in (Finding.RINGS, Finding.SILENT):
                self._cancel()
            raise
        self.is_refused_for_its_speech = not self.is_encrypted and answer.status in NOT_ACCEPTABLE
        _refused(answer)
        self._up(answer)
        if not self.is_encrypted and media.takes_no_rtp(answer.body):
            self.is_refused_for_its_speech = True
            self.hang_up()
            raise StepFailed(Finding.REFUSED, f"{answer.said}, no {media.RTP}")
        return StepRecord(ProofStep.CALL, Result.OK, said=answer.said)

    def speak(self) -> StepRecord:
        body = self._answer.body if self._answer else b""
        target = media.read_answer(body, encrypted=self.is_encrypted)
        spoken = media.speak(self._ear, target, self._goes_on, self._key)
        finding, result = Finding.OK, Result.OK
        if spoken.received < media.ENOUGH:
            finding = Finding.LITTLE_CAME if spoken.received else Finding.NOTHING_CAME
            finding = Finding.STRANGE_CAME if spoken.strange else finding
            finding = Finding.HUNG_UP if self._line.hung_up else finding
            result = Result.FAILED
        said = str(Endpoint(target.host, target.port))
        return StepRecord(ProofStep.MEDIA, result, finding, said=said, sent=spoken.sent, received=spoken.received)

    def hang_up(self) -> StepRecord:
        if self._line.hung_up:
            return StepRecord(ProofStep.HANG_UP, Result.OK)
        talk = self._talk
        answer = talk.ask("BYE", self._target, within=LEAVE_WITHIN, lines=self._route, to=self._to)
        # 481: the other side has ended it at the same moment.
        if answer.status >= 300 and answer.status != 481:
            raise StepFailed(Finding.REFUSED, answer.said)
        return StepRecord(ProofStep.HANG_UP, Result.OK, said=answer.said)

    @property
    def _to(self) -> str:
        return self._answer.response.headers.get("to", "") if self._answer else ""

    def _up(self, answer: Answer) -> None:
        headers = answer.response.headers
        self._answer = answer
        self._line.call, self._line.hung_up = self._talk.call_id, False
        self._target = _uri_in(headers.get("contact", "")) or self._uri
        routes = _IN_BRACKETS.findall(headers.get("record-route", ""))
        self._route = [f"Route: <{route}>" for route in reversed(routes)]
        self._talk.branch += "a"
        self._acknowledge()

    def _acknowledge(self) -> None:
        self._talk.send("ACK", self._target, cseq=self._talk.cseq, lines=self._route, to=self._to)

    def _goes_on(self) -> bool:
        """Whether the call is still up. A repeated answer means that our ACK was not heard."""
        while (answer := self._line.next_answer(time.monotonic())) is not None:
            response = answer.response
            if response.call_id == self._talk.call_id and response.method == "INVITE" and 200 <= response.status < 300:
                self._acknowledge()
        return not self._line.hung_up and time.monotonic() < self._line.until

    def _cancel(self) -> None:
        """Nobody is to go on ringing. Who answers at this very moment is hung up on."""
        with suppress(StepFailed):
            talk = self._talk
            talk.send("CANCEL", self._uri, cseq=talk.cseq)
            answer = talk.wait("INVITE", time.monotonic() + LEAVE_WITHIN)
            if answer.status < 300:
                self._up(answer)
                self.hang_up()
            else:
                talk.send("ACK", self._uri, cseq=talk.cseq, to=answer.response.headers.get("to", ""))


def _uri_in(contact: str) -> str:
    found = _IN_BRACKETS.search(contact) or _BARE.match(contact)
    return found[1] if found else ""


def _refused(answer: Answer) -> None:
    """Raises StepFailed for anything but success. No redirect is followed (rule never-elsewhere)."""
    if answer.status < 300:
        return
    if answer.status < 400:
        raise StepFailed(Finding.REDIRECTED, answer.said)
    raise StepFailed(Finding.CREDENTIALS if answer.status in (401, 407) else Finding.REFUSED, answer.said)
