"""SIP messages in octets (RFC 3261 section 7): the NOTIFY that is sent, the responses to it, the requests that the agent is
sent, and messages cut out of a stream.

Written and read by hand, because 10,000 telephones answer within a second: sipmessage takes four times as long for a
response and twenty times for a request. It also unfolds no lines, refuses a phrase in Latin-1, splits
`qop="auth,auth-int"` at the comma, and needs exponential time for a hostile challenge. What it is good for is to read
what is written here, and to say what the same octets mean: the tests ask it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from pbxcerts import __version__
from terminals.sip.errors import InvalidNotify, MalformedMessage, MessageFault

LONGEST_HEAD = 16_384
"""Octets. Real answers have some hundred; the bound keeps a hostile one from costing time."""
LONGEST_BODY = 65_536
MOST_LINES = 200
LONGEST_PHRASE = 120

BRANCH_COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7
USER_AGENT = f"pbxcerts/{__version__}"  # RFC 3261 section 20.41

_END_OF_HEAD = b"\r\n\r\n"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_BARE_END_OF_HEAD = re.compile(rb"\n\r?\n")
_TO_A_NOTIFY = {"via", "call-id", "cseq", "content-length", "www-authenticate", "proxy-authenticate", "retry-after"}
_OF_A_RESPONSE = _TO_A_NOTIFY | {"contact", "expires", "min-expires", "flow-timer"}  # the latter of a registrar
_ONCE = {"from", "to", "call-id", "cseq"}
_OF_A_REQUEST = _ONCE | {"via", "event", "content-length"}
# RFC 3261 section 7.3.3, and how most write them: what stands here need not be made lower case.
_NAMES = {"v": "via", "i": "call-id", "l": "content-length", "m": "contact", "f": "from", "t": "to", "o": "event"}
_NAMES |= {
    name: name.lower() for name in ("Via", "From", "To", "Call-ID", "CSeq", "Content-Length", "WWW-Authenticate")
}
_CONTENT_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_BARE_CONTENT_LENGTH = re.compile(_CONTENT_LENGTH.pattern.replace(rb"\r$", rb"\r?$"), _CONTENT_LENGTH.flags)
_REQUEST_LINE = re.compile(r"([\w.!%*+`'~-]+) [^ ]+ SIP/2\.0", re.ASCII)
_BRANCH = re.compile(r";\s*[Bb][Rr][Aa][Nn][Cc][Hh]\s*=\s*([^\s;,]+)")


class SipResponse(NamedTuple):
    """The parts of a response that identify its request, and those of its headers that matter here (`_OF_A_RESPONSE`)."""

    status: int
    phrase: str
    branch: str
    call_id: str
    cseq: int
    method: str
    headers: dict[str, str]


class SipRequest(NamedTuple):
    """A request, with those of its headers that matter here (`_OF_A_REQUEST`)."""

    method: str
    headers: dict[str, str]


class SentBy(NamedTuple):
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
    sender: SentBy,
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


def write_request(
    method: str, uri: str, *, sender: SentBy, branch: str, lines: Sequence[str], body: bytes = b"", body_type: str = ""
) -> bytes:
    """Any other request. `lines`: its header lines beside those that each has. Raises InvalidNotify where one would be two."""
    via = f"Via: SIP/2.0/{sender.protocol} {sender.address};branch={branch};rport"
    head = [f"{method} {uri} SIP/2.0", via, "Max-Forwards: 70", *lines, f"User-Agent: {USER_AGENT}"]
    if body:
        head.append(f"Content-Type: {body_type}")
    if any("\r" in line or "\n" in line for line in head):
        raise InvalidNotify("a line that would be two")
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def write_response(request: SipRequest, status: int, phrase: str, *, tag: str) -> bytes:
    """An answer without a body to a request that somebody else sent over a connection (RFC 3261 section 8.2.6)."""
    to = request.headers["to"]
    if "tag=" not in to.rpartition(">")[2].lower():
        to += f";tag={tag}"
    lines = [
        f"SIP/2.0 {status} {phrase}",
        *(f"Via: {value}" for value in request.headers["via"].split("\n")),
        f"From: {request.headers['from']}",
        f"To: {to}",
        f"Call-ID: {request.headers['call-id']}",
        f"CSeq: {request.headers['cseq']}",
        f"Server: {USER_AGENT}",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def body_of(octets: bytes) -> bytes:
    """What follows the head of a message that was cut out of a stream."""
    return octets.partition(_END_OF_HEAD)[2]


def read_response(octets: bytes, *, also: Set[str] = frozenset()) -> SipResponse:
    """Read a response to a request of ours, also one whose lines end with bare line feeds. Raises MalformedMessage and nothing
    else. `also`: headers that are wanted beside the usual ones, by their long names in lower case.
    """
    octets = octets.lstrip(b"\r\n")  # RFC 3261 section 7.5
    if octets.count(b"\n") != octets.count(b"\r\n"):
        # A body may become longer by it, which is then as if something followed it.
        octets = _BARE_LINE_FEED.sub(b"\r\n", octets)
    if not octets.startswith(b"SIP/2.0 "):
        raise MalformedMessage(MessageFault.NOT_A_RESPONSE)
    head, body = _head_and_body(octets)
    first, *lines = _decoded(head).split("\r\n")
    headers = _read_headers(lines, _OF_A_RESPONSE | also if also else _OF_A_RESPONSE)
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
            raise MalformedMessage(MessageFault.GARBLED)
        response = SipResponse(code, _printable(phrase[:-1]), branch[1], call_id, int(sequence), method, headers)
    except (ValueError, KeyError):
        raise MalformedMessage(MessageFault.GARBLED) from None
    # RFC 3261 section 18.3: one that ends before its body does is discarded; what follows the body does not count.
    if body < length:
        raise MalformedMessage(MessageFault.CUT)
    return response


def read_request(octets: bytes) -> SipRequest:
    """Read a request that somebody else sent. Raises MalformedMessage and nothing else.

    Its headers are copied into the response, so a line that a reader of the response could take for two is refused.
    """
    head, _ = _head_and_body(octets.lstrip(b"\r\n"))
    try:
        first, *lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise MalformedMessage(MessageFault.GARBLED) from None
    request = _REQUEST_LINE.fullmatch(first)
    if request is None:
        raise MalformedMessage(MessageFault.NOT_A_REQUEST)
    if any("\r" in line or "\n" in line for line in lines):
        raise MalformedMessage(MessageFault.GARBLED)
    headers = _read_headers(lines, _OF_A_REQUEST)
    if "via" not in headers or any(name not in headers or "\n" in headers[name] for name in _ONCE):
        raise MalformedMessage(MessageFault.GARBLED)
    return SipRequest(request[1], headers)


def _head_and_body(octets: bytes) -> tuple[bytes, int]:
    """The head without the empty line that ends it, and the length of what follows. Raises MalformedMessage."""
    end = octets.find(_END_OF_HEAD)
    if end > LONGEST_HEAD or len(octets) > LONGEST_HEAD + LONGEST_BODY:
        raise MalformedMessage(MessageFault.TOO_LONG)
    if end < 0:
        raise MalformedMessage(MessageFault.TOO_LONG if len(octets) > LONGEST_HEAD else MessageFault.CUT)
    head = octets[:end]
    if head.count(b"\r\n") > MOST_LINES:
        raise MalformedMessage(MessageFault.TOO_LONG)
    return head, len(octets) - end - len(_END_OF_HEAD)


def _read_headers(lines: list[str], wanted: Set[str]) -> dict[str, str]:
    """The wanted headers by their names in lower case. The values of one that stands there several times are joined by
    line feeds; a line that begins with a blank continues the value before it.
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
            raise MalformedMessage(MessageFault.GARBLED)
        before = name
        if name in wanted:
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


class MessageFraming:
    """Cuts a stream into messages by their Content-Length (RFC 3261 section 18.3); one without it has no body.

    `bare_line_feeds`: a message whose first line ends with a bare line feed ends its head with them too. Where requests come
    from others it is not for use: what one reader takes for a header would be a request of its own for the next.
    """

    def __init__(self, *, bare_line_feeds: bool = False) -> None:
        self._bare_line_feeds = bare_line_feeds
        self._octets = bytearray()
        self._searched = 0

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The messages that are whole now. Raises MalformedMessage where the stream cannot be understood any more."""
        self._octets += octets
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> bytes | None:
        # Empty lines before a message keep the connection alive (RFC 5626 section 3.5.1).
        if self._octets.startswith((b"\r", b"\n")):
            del self._octets[: len(self._octets) - len(self._octets.lstrip(b"\r\n"))]
            self._searched = 0
        is_bare = self._bare_line_feeds and self._first_line_is_bare()
        end, body_at = self._end_of_head(is_bare=is_bare)
        if (len(self._octets) if end < 0 else end) > LONGEST_HEAD:
            raise MalformedMessage(MessageFault.TOO_LONG)
        if end < 0:
            self._searched = len(self._octets)
            return None
        length = (_BARE_CONTENT_LENGTH if is_bare else _CONTENT_LENGTH).search(self._octets, 0, end + 1)
        body = int(length.group(1)) if length else 0
        if body > LONGEST_BODY:
            raise MalformedMessage(MessageFault.TOO_LONG)
        whole = body_at + body
        if len(self._octets) < whole:
            self._searched = end
            return None
        message = bytes(self._octets[:whole])
        del self._octets[:whole]
        self._searched = 0
        return message

    def _first_line_is_bare(self) -> bool:
        end = self._octets.find(b"\n")
        return end > 0 and self._octets[end - 1 : end] != b"\r"

    def _end_of_head(self, *, is_bare: bool) -> tuple[int, int]:
        """Where the head ends and what follows it begins; the former is -1 where the end has not come."""
        begin = max(0, self._searched - len(_END_OF_HEAD))
        if is_bare:
            found = _BARE_END_OF_HEAD.search(self._octets, begin)
            return found.span() if found else (-1, 0)
        end = self._octets.find(_END_OF_HEAD, begin)
        return end, end + len(_END_OF_HEAD)
