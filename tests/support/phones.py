"""SIP telephones on loopback that answer a NOTIFY as a test wants them to, over UDP, TCP or TLS."""

import asyncio
import hashlib
import re
import socket
from dataclasses import dataclass, field

from sipmessage import Message

from terminals.sip.message import MessageFraming
from terminals.sip.notify import Credentials, Hop, Notify, Transport, send_notifies

COPIED = ["Via", "From", "To", "Call-ID", "CSeq"]


def answer(request, status=200, phrase="OK", *headers, body=b"", **replaced):
    """The octets of an answer; `replaced` are headers of the request that it does not repeat as they were."""
    lines = [f"SIP/2.0 {status} {phrase}"]
    for name in COPIED:
        value = replaced.get(name.replace("-", "_").lower(), request.headers[name])
        lines.append(f"{name}: {value}" + (";tag=phone" if name == "To" and status > 100 else ""))
    return "\r\n".join([*lines, *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body


def answering(status=200, phrase="OK", *headers, **options):
    return lambda phone, request: [answer(request, status, phrase, *headers, **options)]


def silent(phone, request):
    return []


def in_turn(*behaviours):
    """The first request meets the first behaviour, and so on; the last one remains."""
    left = list(behaviours)

    def behave(phone, request):
        return (left.pop(0) if len(left) > 1 else left[0])(phone, request)

    return behave


@dataclass
class Challenging:
    """Answers 200 to the right password and challenges everything else, as a telephone with its registration's password.

    `offers`: the challenges, each a text with a place for the nonce. `stale`: a nonce that was not the latest is refused
    with `stale=true`. `lifetime`: how many requests a nonce is good for.
    """

    offers: tuple = ('Digest realm="pbx.example.org", nonce="{nonce}", qop="auth,auth-int", algorithm=MD5',)
    username: str = "201"
    password: str = "three teapots"
    status: int = 401
    stale_first: int = 0
    then: object = answering()
    nonces: int = 0
    seen: list = field(default_factory=list)

    def __call__(self, phone, request):
        asks, answers = {
            401: ("WWW-Authenticate", "Authorization"),
            407: ("Proxy-Authenticate", "Proxy-Authorization"),
        }[self.status]
        given = request.headers.get(answers)
        stale = ""
        if given:
            parameters = read_digest(given)
            self.seen.append(parameters)
            if parameters["response"] == expected_response(parameters, self.password, request):
                if not self.stale_first:
                    return self.then(phone, request)
                self.stale_first -= 1
                stale = ", stale=true"
        self.nonces += 1
        nonce = f"nonce{self.nonces}"
        return [
            answer(
                request,
                self.status,
                "Unauthorized",
                *(f"{asks}: {offer.format(nonce=nonce)}{stale}" for offer in self.offers),
            )
        ]


def read_digest(value):
    assert value.startswith("Digest ")
    return {
        name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', value)
    }


def expected_response(given, password, request):
    """Worked out from RFC 7616 section 3.4 a second time."""
    hashing = hashlib.sha256 if given["algorithm"].upper().startswith("SHA-256") else hashlib.md5

    def h(*parts):
        return hashing(":".join(parts).encode()).hexdigest()

    a1 = h(given["username"], given["realm"], password)
    if given["algorithm"].lower().endswith("-sess"):
        a1 = h(a1, given["nonce"], given["cnonce"])
    a2 = h(request.method, given["uri"])
    if "qop" not in given:
        return h(a1, given["nonce"], a2)
    return h(a1, given["nonce"], given["nc"], given["cnonce"], given["qop"], a2)


class Phone:
    """Between `async with` and its end; `requests` are those that it has got.

    `behave` is called with this telephone and the request and returns the answers in octets. `connections` counts those
    that were accepted; `drop()` cuts all of them.
    """

    def __init__(self, behave=answering(), *, transport="udp", host="127.0.0.1", port=0, tls=None):  # noqa: B008 - it keeps nothing
        self.behave = behave
        self.transport, self.host, self.tls = Transport(transport), host, tls
        self.wanted = port
        self.requests = []
        self.connections = 0
        self.streams = []

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        if self.transport is Transport.UDP:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.bind((self.host, self.wanted))
            self.socket.setblocking(False)
            loop.add_reader(self.socket, self._read)
        else:
            server = await asyncio.start_server(self._serve, self.host, self.wanted, ssl=self.tls)
            self._server, self.socket = server, server.sockets[0]
        self.port = self.socket.getsockname()[1]
        return self

    async def __aexit__(self, *failure):
        if self.transport is Transport.UDP:
            asyncio.get_running_loop().remove_reader(self.socket)
            self.socket.close()
            return
        await self.refuse()

    async def refuse(self):
        """Take no more connections, and drop those there are."""
        self._server.close()
        await self.drop()
        await self._server.wait_closed()

    async def drop(self):
        for task, writer in self.streams:
            writer.transport.abort()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.streams.clear()

    @property
    def is_connected(self):
        return any(not task.done() for task, _ in self.streams)

    @property
    def hop(self):
        return Hop(self.host, self.port, self.transport)

    @property
    def target(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:201@{host}:{self.port}"

    def answers(self, octets):
        request = Message.parse(octets)
        self.requests.append(request)
        return self.behave(self, request)

    def _read(self):
        octets, source = self.socket.recvfrom(65536)
        for reply in self.answers(octets):
            self.socket.sendto(reply, source)

    async def _serve(self, reader, writer):
        self.connections += 1
        self.streams.append((asyncio.current_task(), writer))
        framing = MessageFraming()
        while octets := await reader.read(65536):
            for message in framing.feed(octets):
                for reply in self.answers(message):
                    writer.write(reply)
        writer.close()


def from_another_address(host):
    """Answers 200 from another address of this machine, with everything else right."""

    def behave(phone, request):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((host, 0))
            stranger.sendto(answer(request), ("127.0.0.1", request.via[0].port))
        return []

    return behave


CREDENTIALS = Credentials("201", "three teapots", "pbx.example.org")


def run(scenario):
    """A scenario over real sockets; one that hangs fails."""

    async def limited():
        async with asyncio.timeout(60):
            return await scenario

    return asyncio.run(limited())


def a_notify(phone, key=0, **changes):
    values = {"target": phone.target, "event": "check-sync", "next_hop": phone.hop, "credentials": (CREDENTIALS,)}
    return Notify(key, **(values | changes))


async def ask(*notifies, **options):
    """The answers, in the order of the NOTIFYs, whose keys are their numbers."""
    answers = [answer async for answer in send_notifies(notifies, **options)]
    assert sorted(answer.key for answer in answers) == list(range(len(notifies)))
    return sorted(answers, key=lambda answer: answer.key)
