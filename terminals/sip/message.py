"""SIP messages in octets (RFC 3261 section 7): the NOTIFY out, its answers in, and messages cut out of a stream.

    Malformed      octets that are no answer that can be taken, and why (a `Fault`); a ValueError

Written and read by hand, because 10,000 telephones answer within a second: sipmessage takes four times as long for an
answer and twenty times for a request. It also unfolds no lines, refuses a phrase in Latin-1, splits `qop="auth,auth-int"` at
the comma, and needs exponential time for a hostile challenge. What it is good for is to read what is written here: the tests do.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_HEAD = 16_384
"""Octets. Real answers have some hundred; the bound keeps a hostile one from costing time."""
LONGEST_BODY = 65_536
MOST_LINES = 200
LONGEST_PHRASE = 120

BRANCH_COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7
USER_AGENT = "pbxcerts"

_END_OF_HEAD = b"\r\n\r\n"
_TO_A_NOTIFY = {"via", "call-id", "cseq", "content-length", "www-authenticate", "proxy-authenticate", "retry-after"}
_WANTED = _TO_A_NOTIFY | {"contact", "expires", "min-expires", "flow-timer"}  # the latter of a registrar
# RFC 3261 section 7.3.3, and how most write them: what stands here need not be made lower case.
_NAMES = {"v": "via", "i": "call-id", "l": "content-length", "m": "contact"}
_NAMES |= {
    name: name.lower() for name in ("Via", "From", "To", "Call-ID", "CSeq", "Content-Length", "WWW-Authenticate")
}
_CONTENT_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_BRANCH = re.compile(r";\s*[Bb][Rr][Aa][Nn][Cc][Hh]\s*=\s*([^\s;,]+)")


class Fault(enum.StrEnum):
    """Why octets are not taken for an answer."""

    CUT = "cut"
    TOO_LONG = "too_long"
    GARBLED = "garbled"
    NOT_AN_ANSWER = "not_an_answer"


class Malformed(ValueError):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Answered(NamedTuple):
    """The parts of a response that identify its request, and those of its headers that matter here (`_WANTED`)."""

    status: int
    phrase: str
    branch: str
    call_id: str
    cseq: int
    method: str
    headers: dict[str, str]


class Sender(NamedTuple):
    """What a connection writes into Via and Contact: "UDP", "192.0.2.1:5060" and the URI parameter it needs there."""

    protocol: str
    address: str
    contact_parameter: str = ""


def write_notify(
    *,
    target: str,
    event: str,
    from_uri: str,
    tag: str,
    call_id: str,
    cseq: int,
    branch: str,
    sender: Sender,
    authorization: str = "",
) -> bytes:
    """A NOTIFY without a body. `authorization`: whole header lines, each with its CRLF.

    With a SIPS target the Contact is a SIPS URI too (RFC 3261 section 8.1.1.8), and it names no transport then.
    """
    secure = target.startswith("sips:")
    contact = f"sips:{sender.address}" if secure else f"sip:{sender.address}{sender.contact_parameter}"
    return (
        f"NOTIFY {target} SIP/2.0\r\n"
        f"Via: SIP/2.0/{sender.protocol} {sender.address};branch={branch};rport\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <{from_uri}>;tag={tag}\r\n"
        f"To: <{target}>\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {cseq} NOTIFY\r\n"
        f"Contact: <{contact}>\r\n"
        f"{authorization}"
        f"Event: {event}\r\n"
        "Subscription-State: terminated\r\n"
        f"User-Agent: {USER_AGENT}\r\n"
        "Content-Length: 0\r\n"
        "\r\n"
    ).encode()


def read_answer(octets: bytes) -> Answered:
    """Read a response to a request of ours. Raises Malformed and nothing else."""
    octets = octets.lstrip(b"\r\n")  # RFC 3261 section 7.5
    if not octets.startswith(b"SIP/2.0 "):
        raise Malformed(Fault.NOT_AN_ANSWER)
    end = octets.find(_END_OF_HEAD)
    if end > LONGEST_HEAD or len(octets) > LONGEST_HEAD + LONGEST_BODY:
        raise Malformed(Fault.TOO_LONG)
    if end < 0:
        raise Malformed(Fault.TOO_LONG if len(octets) > LONGEST_HEAD else Fault.CUT)
    first, *lines = _decoded(octets[:end]).split("\r\n")
    if len(lines) > MOST_LINES:
        raise Malformed(Fault.TOO_LONG)
    headers = _read_headers(lines)
    try:
        # One that came through somebody else's Via is not for us (RFC 3261 section 8.1.3.3).
        via = headers["via"]
        sequence, method = headers["cseq"].split()
        call_id = headers["call-id"]
        length = int(headers.get("content-length", 0))
        _, status, phrase = f"{first} ".split(" ", 2)
        branch = _BRANCH.search(via)
        code = int(status)
        if len(status) != 3 or not 100 <= code <= 699 or branch is None or "," in via or "\n" in via:
            raise Malformed(Fault.GARBLED)
        answered = Answered(code, _printable(phrase[:-1]), branch[1], call_id, int(sequence), method, headers)
    except Malformed:
        raise
    except (ValueError, KeyError):
        raise Malformed(Fault.GARBLED) from None
    # RFC 3261 section 18.3: one that ends before its body does is discarded; what follows the body does not count.
    if len(octets) - end - len(_END_OF_HEAD) < length:
        raise Malformed(Fault.CUT)
    return answered


def _read_headers(lines: list[str]) -> dict[str, str]:
    """By their names in lower case; one that stands there several times has a line of its value for each.

    A line that begins with a blank continues the value before it.
    """
    headers: dict[str, str] = {}
    before: str | None = None
    for line in lines:
        written, colon, value = line.partition(":")
        name = _NAMES.get(written)
        if name is None:
            if line[:1] in (" ", "\t") and before is not None:
                if before in headers:
                    headers[before] = f"{headers[before]} {line.strip()}".strip()
                continue
            name = written.rstrip().lower()
            name = _NAMES.get(name, name)
        if not colon:
            raise Malformed(Fault.GARBLED)
        before = name
        if name in _WANTED:
            headers[name] = f"{headers[name]}\n{value.strip()}" if name in headers else value.strip()
    return headers


def _decoded(head: bytes) -> str:
    try:
        return head.decode()
    except UnicodeDecodeError:
        # Telephones write a reason phrase in the character set of their maker.
        return head.decode("latin-1")


def _printable(phrase: str) -> str:
    phrase = phrase[:LONGEST_PHRASE]
    return phrase if phrase.isprintable() else "".join(filter(str.isprintable, phrase))


class Framing:
    """Cuts a stream into messages by their Content-Length (RFC 3261 section 18.3); one without it has no body."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._searched = 0

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The messages that are whole now. Raises Malformed where the stream cannot be understood any more."""
        self._octets += octets
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> bytes | None:
        # Empty lines before a message keep the connection alive (RFC 5626 section 3.5.1).
        if self._octets.startswith((b"\r", b"\n")):
            del self._octets[: len(self._octets) - len(self._octets.lstrip(b"\r\n"))]
            self._searched = 0
        end = self._octets.find(_END_OF_HEAD, max(0, self._searched - len(_END_OF_HEAD)))
        if (len(self._octets) if end < 0 else end) > LONGEST_HEAD:
            raise Malformed(Fault.TOO_LONG)
        if end < 0:
            self._searched = len(self._octets)
            return None
        length = _CONTENT_LENGTH.search(self._octets, 0, end + 1)
        body = int(length.group(1)) if length else 0
        if body > LONGEST_BODY:
            raise Malformed(Fault.TOO_LONG)
        whole = end + len(_END_OF_HEAD) + body
        if len(self._octets) < whole:
            self._searched = end
            return None
        message = bytes(self._octets[:whole])
        del self._octets[:whole]
        self._searched = 0
        return message
