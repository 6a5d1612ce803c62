"""SIP messages in octets (RFC 3261 section 7): the NOTIFY out, its answers in, and messages cut out of a stream.

    Malformed      octets that are no answer that can be taken, and why (a `Fault`); a ValueError

Syntax is sipmessage's, but for three things: its parser of challenges splits `qop="auth,auth-int"` at the comma and needs
exponential time for a hostile value, so `digest` reads those; it unfolds no lines; and what is written here is written as
one string, which takes a hundredth of the time.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

from sipmessage import Headers, Message, Response

LONGEST_HEAD = 16_384
"""Octets. Real answers have some hundred; the bound keeps a hostile one from costing time."""
LONGEST_BODY = 65_536
MOST_LINES = 200
LONGEST_PHRASE = 120

BRANCH_COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7
USER_AGENT = "pbxcerts"

_END_OF_HEAD = b"\r\n\r\n"
_FOLD = re.compile(rb"\r\n[ \t]+")
_SPACE_BEFORE_COLON = re.compile(rb"^([^\s:]+)[ \t]+:", re.MULTILINE)
_CONTENT_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_BRANCH = re.compile(r";\s*branch\s*=\s*([^\s;,]+)", re.IGNORECASE)


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
    """The parts of a response that identify its request, and its headers."""

    status: int
    phrase: str
    branch: str
    call_id: str
    cseq: int
    method: str
    headers: Headers


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
    if end > LONGEST_HEAD or len(octets) > LONGEST_HEAD + LONGEST_BODY or octets.count(b"\r\n", 0, end) > MOST_LINES:
        raise Malformed(Fault.TOO_LONG)
    if end < 0:
        raise Malformed(Fault.TOO_LONG if len(octets) > LONGEST_HEAD else Fault.CUT)
    try:
        response = _parse(octets, end)
        vias = response.headers.getlist("Via")
        # One that came through somebody else's Via is not for us (RFC 3261 section 8.1.3.3).
        if len(vias) != 1 or "," in vias[0]:
            raise Malformed(Fault.GARBLED)
        branch = _BRANCH.search(vias[0])
        sequence, method = response.headers["CSeq"].split()
        if branch is None or not 100 <= response.code <= 699:
            raise Malformed(Fault.GARBLED)
        if not _is_whole(response):
            raise Malformed(Fault.CUT)
        return Answered(
            response.code,
            _printable(response.phrase),
            branch.group(1),
            response.headers["Call-ID"],
            int(sequence),
            method,
            response.headers,
        )
    except Malformed:
        raise
    except (ValueError, KeyError):
        raise Malformed(Fault.GARBLED) from None


def _parse(octets: bytes, end: int) -> Response:
    if b"\r\n " in octets or b"\r\n\t" in octets or b" :" in octets or b"\t:" in octets:
        head = _SPACE_BEFORE_COLON.sub(rb"\1:", _FOLD.sub(b" ", octets[:end]))
        octets = head + octets[end:]
    try:
        response = Message.parse(octets)
    except UnicodeDecodeError:
        # Telephones write a reason phrase in the character set of their maker.
        response = Message.parse(octets.decode("latin-1").encode())
    if not isinstance(response, Response):
        raise Malformed(Fault.NOT_AN_ANSWER)
    return response


def _is_whole(response: Response) -> bool:
    """RFC 3261 section 18.3: a datagram that ends before its body does is discarded; what follows the body does not count."""
    length = response.headers.get("Content-Length")
    return length is None or len(response.body) >= int(length)


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
