"""The REGISTERs of the agent, and what the responses mean (RFC 3261 section 10). Pure but for chance."""

import re
import secrets
from collections import Counter
from typing import NamedTuple

from terminals.agent.config import RegistrationConfig
from terminals.agent.errors import NotWelcome
from terminals.agent.https import USER_AGENT
from terminals.sip.digest import Authorization, Credentials, read_challenges
from terminals.sip.message import BRANCH_COOKIE, SipResponse

KEEP_ALIVE = 120
"""Seconds at most between two keep-alives, where the server names no other time in Flow-Timer (RFC 5626 section 4.4.1)."""
LEAST_KEEP_ALIVE = 10
LONGEST = 86_400
"""Seconds of a registration: no server gets it to be asked for more."""

_FIELDS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}
_CONTACT = re.compile(r"<([^<>]*)>([^<]*)")
_EXPIRES = re.compile(r";\s*expires\s*=\s*([0-9]{1,9})(?![0-9])", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}")


class RegisterRequest(NamedTuple):
    octets: bytes
    branch: str
    call_id: str
    cseq: int

    def is_answered_by(self, response: SipResponse) -> bool:
        """Whether this is the final response to this request. A provisional one (1xx) does not count."""
        ours = (self.branch, self.call_id, self.cseq, "REGISTER")
        return ours == (response.branch, response.call_id, response.cseq, response.method) and response.status >= 200


class RegistrationGranted(NamedTuple):
    """For how many seconds a connection is registered, and how many at most may pass between two keep-alives."""

    seconds: int
    keep_alive: int


class RegisterRequests:
    """All requests of one run share a Call-ID, and their CSeq grows. `begin`, then `write` and `judge` by turns.

    A challenge is answered whatever realm it names: it comes from the server that the trust store secures.
    """

    def __init__(self, wanted: RegistrationConfig) -> None:
        self._wanted = wanted
        self._call_id, self._tag, self._cseq = secrets.token_hex(16), secrets.token_hex(8), 0
        self._authorizations: dict[int, Authorization] = {}
        self._challenged: Counter[int] = Counter()
        self._bound = ""
        self._expires = wanted.expires

    def begin(self, own: str, *, leave: bool = False) -> None:
        """Register the connection with this address and port of ours, or take the registration back."""
        # With SIPS the Contact is a SIPS URI too, and names no transport (RFC 3261 section 8.1.1.8).
        secure = self._wanted.address.startswith("sips:")
        self._own, self._leave = own, leave
        self._contact = (
            f"sips:{self._wanted.number}@{own}" if secure else f"sip:{self._wanted.number}@{own};transport=tls"
        )
        self._challenged.clear()

    def write(self) -> RegisterRequest:
        self._cseq += 1
        branch = f"{BRANCH_COOKIE}{secrets.token_hex(16)}"
        contacts = f"<{self._contact}>"
        if not self._leave and self._bound not in ("", self._contact):
            # Or each NOTIFY would be sent to the connection that broke, too.
            contacts += f", <{self._bound}>;expires=0"
        lines = [
            f"REGISTER {self._wanted.registrar} SIP/2.0",
            f"Via: SIP/2.0/TLS {self._own};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <{self._wanted.address}>;tag={self._tag}",
            f"To: <{self._wanted.address}>",
            f"Call-ID: {self._call_id}",
            f"CSeq: {self._cseq} REGISTER",
            f"Contact: {contacts}",
            f"Expires: {0 if self._leave else self._expires}",
            *(f"{_FIELDS[status][1]}: {self._value(status)}" for status in self._authorizations),
            "Allow: NOTIFY, OPTIONS",
            "Supported: path",
            f"User-Agent: {USER_AGENT}",
            "Content-Length: 0",
        ]
        return RegisterRequest("\r\n".join([*lines, "", ""]).encode(), branch, self._call_id, self._cseq)

    def judge(self, response: SipResponse) -> RegistrationGranted | None:
        """What a final response grants. None where the next request is to be sent at once. Raises NotWelcome."""
        status = response.status
        if status in _FIELDS and self._takes_challenge(response):
            return None
        if status == 423 and self._expires < (least := _seconds(response, "min-expires", 0)) <= LONGEST:
            self._expires = least
            return None
        if status >= 300:
            self._authorizations.clear()
            raise NotWelcome(f"the server answered {status} {response.phrase}".rstrip())
        self._bound = "" if self._leave else self._contact
        seconds = 0 if self._leave else self._granted(response)
        return RegistrationGranted(seconds, max(LEAST_KEEP_ALIVE, _seconds(response, "flow-timer", KEEP_ALIVE)))

    def _takes_challenge(self, response: SipResponse) -> bool:
        """Whether the challenge is answered: a kind of challenge once, and once more if only the nonce was too old."""
        value = response.headers.get(_FIELDS[response.status][0], "")
        found = [one for one in read_challenges(value) if one.can_be_answered]
        if not found or self._wanted.password is None:
            return False
        chosen = max(found, key=lambda one: one.is_strong)
        times = self._challenged[response.status]
        if times > 1 or (times == 1 and not chosen.stale):
            return False
        self._challenged[response.status] += 1
        credentials = Credentials(self._wanted.user, self._wanted.password, chosen.realm)
        self._authorizations[response.status] = Authorization(chosen, credentials)
        return True

    def _value(self, status: int) -> str:
        uri, cnonce = self._wanted.registrar, secrets.token_hex(8)
        return self._authorizations[status].value(method="REGISTER", uri=uri, cnonce=cnonce)

    def _granted(self, response: SipResponse) -> int:
        """RFC 3261 section 10.2.4."""
        granted = {
            uri.lower(): int(seconds[1])
            for uri, parameters in _CONTACT.findall(response.headers.get("contact", ""))
            if (seconds := _EXPIRES.search(parameters))
        }
        # A server may write another address there, the one that it sees: then which one is ours cannot be told.
        least = min(granted.values(), default=_seconds(response, "expires", self._expires))
        return min(granted.get(self._contact.lower(), least), LONGEST)


def _seconds(response: SipResponse, name: str, otherwise: int) -> int:
    value = response.headers.get(name, "")
    return int(value) if _SECONDS.fullmatch(value) else otherwise
