"""One NOTIFY until its answer, with the challenges that are answered in between. Pure but for the random cnonce."""

from __future__ import annotations

import enum
import re
import secrets
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from terminals.drivers.base import Reaction
from terminals.sip.digest import Authorization, Challenge, Credentials, read_challenges
from terminals.sip.hop import Hop, Transport
from terminals.sip.message import BRANCH_COOKIE, Answered, Sender, write_notify
from terminals.sip.reactions import reaction_to, read_retry_after

# What is sent is written as one string: what could end a line or a quotation must not come in here.
_URI = re.compile(r"sips?:[!#-;=?-\[\]-~]+")
_TOKEN = r"[!%*+.\w`'~-]+"  # noqa: S105 - RFC 3261 section 25.1
_EVENT = re.compile(rf'{_TOKEN}(?: *; *{_TOKEN}(?: *= *(?:{_TOKEN}|"[^"\\\x00-\x1f\x7f]*"))?)*', re.ASCII)

_FIELDS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


class Silence(enum.StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    """None in 32 s, or the next hop took no connection in time."""
    UNRESOLVED = "unresolved"
    """The next hop's name leads to no address."""
    UNREACHABLE = "unreachable"
    """The network, or the machine there, takes nothing."""
    UNTRUSTED = "untrusted"
    """The next hop presents a certificate that the given context does not trust."""
    CONNECTION_LOST = "connection_lost"
    """While the answer was awaited, and once more after connecting again."""


def _check_uri(uri: str) -> None:
    if not _URI.fullmatch(uri):
        raise ValueError(f"not a SIP URI: {uri!r}")


@lru_cache(maxsize=64)
def _check_sender_and_event(sender: str, event: str) -> None:
    """The same for thousands of telephones."""
    _check_uri(sender)
    if not _EVENT.fullmatch(event):
        raise ValueError(f"not an event: {event!r}")


@dataclass(slots=True)
class Notify:
    """A NOTIFY without a subscription. Raises ValueError where target, sender or event are none, or SIPS goes without TLS.

    `key`: what the caller knows it by. `target`: the request URI, an address of record where the next hop is the
    communication server. `event`: the Event header with its parameters. `credentials`: those that may be asked for, the
    terminal's and, for the way through the server, its account's; each for its realm alone.
    """

    key: Hashable
    target: str
    event: str
    next_hop: Hop
    credentials: tuple[Credentials, ...] = ()
    from_uri: str = "sip:pbxcerts@localhost"

    def __post_init__(self) -> None:
        _check_uri(self.target)
        _check_sender_and_event(self.from_uri, self.event)
        if self.target.startswith("sips:") and self.next_hop.transport is not Transport.TLS:
            raise ValueError("a SIPS URI is reached over TLS alone (RFC 3261 section 26.2.2)")


class Answer(NamedTuple):
    """What became of a NOTIFY.

    `status`: of the final answer, None where none came. `reason`: its phrase, else a `Silence`. `realm`: with 401 and
    407 the realm that asks for credentials, else empty. `at`: UTC.
    """

    key: Hashable
    status: int | None
    reaction: Reaction
    retry_after: timedelta | None
    reason: str
    realm: str
    at: datetime


class Outcome(NamedTuple):
    """`Answer` without whose and when."""

    status: int | None
    reaction: Reaction
    retry_after: timedelta | None
    reason: str
    realm: str = ""

    @classmethod
    def silent(cls, silence: Silence) -> Outcome:
        return cls(None, Reaction.ABSENT, None, silence.value)


class Exchange:
    """All requests of one NOTIFY: they share Call-ID and From tag, and each has its own CSeq and branch.

    A challenge is answered once for each realm that there are credentials for, once more where it says `stale=true`
    (the nonce was too old, the password is right), and SHA-256 is preferred to MD5.
    """

    __slots__ = ("_answered", "_authorizations", "_tag", "branch", "call_id", "cseq", "notify")

    def __init__(self, notify: Notify) -> None:
        token = secrets.token_hex(16)
        self.notify = notify
        self.call_id, self._tag = token[:24], token[24:]
        self.cseq = 0
        self.branch = ""
        self._authorizations: dict[tuple[int, str], Authorization] = {}
        self._answered: dict[tuple[int, str], int] = {}

    def request(self, sender: Sender) -> bytes:
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

    def judge(self, answered: Answered) -> Outcome | None:
        """What a final answer means; None where `request` answers its challenge."""
        status = answered.status
        if status not in _FIELDS:
            retry_after = (
                read_retry_after(answered.headers["retry-after"]) if "retry-after" in answered.headers else None
            )
            return Outcome(status, reaction_to(status), retry_after, answered.phrase)
        challenges = read_challenges(answered.headers.get(_FIELDS[status][0], ""))
        if self._answer(status, challenges):
            return None
        realm = challenges[0].realm if challenges else ""
        return Outcome(status, reaction_to(status), None, answered.phrase, realm)

    def _answer(self, status: int, challenges: list[Challenge]) -> bool:
        """Whether there is an answer to these challenges that was not given already."""
        if not challenges:
            return False
        by_realm = {known.realm: known for known in self.notify.credentials if known.realm}
        chosen: dict[str, Challenge] = {}
        for challenge in challenges:
            if challenge.realm in by_realm and challenge.can_be_answered:
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

    def _authorization(self) -> str:
        return "".join(
            f"{_FIELDS[status][1]}: "
            f"{authorization.value(method='NOTIFY', uri=self.notify.target, cnonce=secrets.token_hex(8))}\r\n"
            for (status, _), authorization in self._authorizations.items()
        )
