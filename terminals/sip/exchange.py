"""One NOTIFY until its final response, with the challenges answered in between. Pure but for the random cnonce."""

from __future__ import annotations

import re
import secrets
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from terminals.drivers.base import Reaction
from terminals.sip.digest import Authorization, Challenge, Credentials, read_challenges
from terminals.sip.errors import InvalidNotify, Silence, Unanswered
from terminals.sip.hop import Hop, Transport
from terminals.sip.message import BRANCH_COOKIE, SentBy, SipResponse, write_notify
from terminals.sip.reactions import reaction_to, read_retry_after

# What is sent is written as one string: what could end a line or a quotation must not come in here.
_URI = re.compile(r"sips?:[!#-;=?-\[\]-~]+")
_TOKEN = r"[!%*+.\w`'~-]+"  # noqa: S105 - RFC 3261 section 25.1
_EVENT = re.compile(rf'{_TOKEN}(?: *; *{_TOKEN}(?: *= *(?:{_TOKEN}|"[^"\\\x00-\x1f\x7f]*"))?)*', re.ASCII)

OF_THE_TERMINAL = 401
_FIELDS = {OF_THE_TERMINAL: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


def _check_uri(uri: str) -> None:
    if not _URI.fullmatch(uri):
        raise InvalidNotify(f"not a SIP URI: {uri!r}")


@lru_cache(maxsize=64)
def _check_sender_and_event(sender: str, event: str) -> None:
    """The same for thousands of telephones."""
    _check_uri(sender)
    if not _EVENT.fullmatch(event):
        raise InvalidNotify(f"not an event: {event!r}")


@dataclass(slots=True)
class Notify:
    """A NOTIFY without a subscription. Raises InvalidNotify where target, sender or event are none, or SIPS goes without TLS.

    `key`: what the caller knows it by. `target`: the request URI, an address of record where the next hop is the
    communication server. `event`: the Event header with its parameters. `credentials`: those that may be asked for, the
    terminal's and, for the way through the server, its account's; each for its realm alone. `answers_without_qop`: also where
    the connection proves nothing.
    """

    key: Hashable
    target: str
    event: str
    next_hop: Hop
    credentials: tuple[Credentials, ...] = ()
    answers_without_qop: bool = False
    from_uri: str = "sip:pbxcerts@localhost"

    def __post_init__(self) -> None:
        _check_uri(self.target)
        _check_sender_and_event(self.from_uri, self.event)
        if self.target.startswith("sips:") and self.next_hop.transport is not Transport.TLS:
            raise InvalidNotify("a SIPS URI is reached over TLS alone (RFC 3261 section 26.2.2)")


class NotifyOutcome(NamedTuple):
    """What became of a NOTIFY.

    `status`: of the final response, None where none came. `reason`: its reason phrase, else a `Silence`. `realm`: the realm
    that asked for credentials and was not satisfied, else empty. `unanswered`: an `Unanswered`, else empty.
    """

    key: Hashable
    status: int | None
    reaction: Reaction
    retry_after: timedelta | None
    reason: str
    realm: str
    unanswered: str


class ExchangeOutcome(NamedTuple):
    """A `NotifyOutcome` without its key."""

    status: int | None
    reaction: Reaction
    retry_after: timedelta | None
    reason: str
    realm: str = ""
    unanswered: str = ""


class NotifyExchange:
    """All requests of one NOTIFY (rule challenges): they share Call-ID and From tag, and each has its own CSeq and branch."""

    __slots__ = ("_answered", "_authorizations", "_tag", "branch", "call_id", "cseq", "notify")

    def __init__(self, notify: Notify) -> None:
        token = secrets.token_hex(16)
        self.notify = notify
        self.call_id, self._tag = token[:24], token[24:]
        self.cseq = 0
        self.branch = ""
        self._authorizations: dict[tuple[int, str], Authorization] = {}
        self._answered: dict[tuple[int, str], int] = {}

    def request(self, sender: SentBy) -> bytes:
        """The next request. It begins a new transaction, named by `branch`."""
        self.cseq += 1
        # As hard to guess as the Call-ID, without which nobody can answer.
        self.branch = f"{BRANCH_COOKIE}{self.call_id}{self.cseq}"
        notify = self.notify
        return write_notify(
            target=notify.target,
            event=notify.event,
            from_uri=notify.from_uri,
            tag=self._tag,
            call_id=self.call_id,
            cseq=self.cseq,
            branch=self.branch,
            sender=sender,
            authorization=self._authorization() if self._authorizations else "",
        )

    def judge(self, response: SipResponse) -> ExchangeOutcome | None:
        """What a final response means. None where it is a challenge that the next `request` answers."""
        status = response.status
        if status not in _FIELDS:
            retry_after = (
                read_retry_after(response.headers["retry-after"]) if "retry-after" in response.headers else None
            )
            return ExchangeOutcome(status, reaction_to(status), retry_after, response.phrase)
        challenges = read_challenges(response.headers.get(_FIELDS[status][0], ""))
        if self._answer(status, challenges):
            return None
        realm, why = self._unsatisfied(challenges)
        return ExchangeOutcome(status, reaction_to(status), None, response.phrase, realm, why)

    def silence(self, silence: Silence) -> ExchangeOutcome:
        """What it means that no final response came. A terminal that has asked for credentials was there, whatever it does with
        them: it may be restarting, and must not be asked again by itself. A 407 is no terminal's.
        """
        asked = [realm for status, realm in self._authorizations if status == OF_THE_TERMINAL]
        if asked and silence in {Silence.TIMEOUT, Silence.CONNECTION_LOST}:
            realm = asked[-1]
            return ExchangeOutcome(None, Reaction.CREDENTIALS, None, silence.value, realm, Unanswered.MUTE)
        return ExchangeOutcome(None, Reaction.ABSENT, None, silence.value)

    def _answer(self, status: int, challenges: list[Challenge]) -> bool:
        """Answer those challenges that have credentials and were not answered before. Whether there is one."""
        if not challenges:
            return False
        by_realm = self._by_realm
        chosen: dict[str, Challenge] = {}
        for challenge in challenges:
            if challenge.realm in by_realm and self._may_be_answered(challenge):
                there = chosen.get(challenge.realm)
                if there is None or (challenge.is_strong and not there.is_strong):
                    chosen[challenge.realm] = challenge
        for realm, challenge in chosen.items():
            times = self._answered.get((status, realm), 0)
            if times > 1 or (times == 1 and not challenge.stale):
                return False
            self._answered[status, realm] = times + 1
            self._authorizations[status, realm] = Authorization(challenge, by_realm[realm])
        return bool(chosen)

    @property
    def _by_realm(self) -> dict[str, Credentials]:
        return {known.realm: known for known in self.notify.credentials if known.realm}

    def _may_be_answered(self, challenge: Challenge) -> bool:
        """Without qop the asker chooses all that the answer is made of, and can look the password up in a list made before: so
        only where the connection proves who it is, or a person allows it.
        """
        proves = self.notify.next_hop.transport is Transport.TLS
        return challenge.can_be_answered and (bool(challenge.qops) or proves or self.notify.answers_without_qop)

    def _unsatisfied(self, challenges: list[Challenge]) -> tuple[str, str]:
        """The realm that is not satisfied, and why (`Unanswered`)."""
        known = self._by_realm
        for challenge in challenges:
            if challenge.realm not in known:
                return challenge.realm, Unanswered.OTHER_REALM
        for challenge in challenges:
            if challenge.can_be_answered and not any(map(self._may_be_answered, challenges)):
                return challenge.realm, Unanswered.NO_QOP
        return challenges[0].realm if challenges else "", ""

    def _authorization(self) -> str:
        return "".join(
            f"{_FIELDS[status][1]}: "
            f"{authorization.value(method='NOTIFY', uri=self.notify.target, cnonce=secrets.token_hex(8))}\r\n"
            for (status, _), authorization in self._authorizations.items()
        )
