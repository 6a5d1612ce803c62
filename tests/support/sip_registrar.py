"""A small SIP registrar on loopback, over real TLS: it challenges, grants, refuses and asks as a test wants it."""

import hashlib
import re
import select
import socket
import socketserver
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from sipmessage import Message

from tests.support.est_server import server_context

WITHIN = 20
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass
class Heard:
    """A message that came. `connection`: the number and the client's port of the connection that it came over."""

    message: object
    connection: tuple

    def __getitem__(self, name):
        return self.message.headers[name]


def challenge(algorithm="MD5", *, nonce="n1", realm="pbx.test", qop=', qop="auth"', more=""):
    return f'WWW-Authenticate: Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}{qop}{more}'


def is_right(authorization, *, password, method="REGISTER"):
    """Whether a digest answers its own challenge (RFC 7616 section 3.4.1), worked out here once more."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization))

    def hashed(*parts):
        return HASHES[given["algorithm"]](":".join(parts).encode()).hexdigest()

    secret = hashed(given["username"], given["realm"], password)
    counted = [given["nc"], given["cnonce"], given["qop"]] if "qop" in given else []
    return given["response"] == hashed(secret, given["nonce"], *counted, hashed(method, given["uri"]))


def answer_to(request, status="200 OK", *lines):
    copied = [f"{name}: {request[name]}" for name in ("Via", "From", "Call-ID", "CSeq")]
    head = [f"SIP/2.0 {status}", *copied, f"To: {request['To']};tag=r", *lines, "Content-Length: 0", "", ""]
    return "\r\n".join(head).encode()


class Registrar(socketserver.ThreadingTCPServer):
    """Between `with` and its end. `presents`: the pair of the next connections.

    `answers`: what is done with the next REGISTERs, one after the other: a function that gets the request and returns octets.
    After these each is granted `expires` seconds. `pongs`: whether it answers keep-alives. `deaf`: it reads no more.
    """

    allow_reuse_address = True

    def __init__(self, presents, *, port=0, expires=3600):
        super().__init__(("127.0.0.1", port), _Connection)
        self.expires = expires
        self.answers = []
        self.pongs = True
        self.deaf = False
        self.registers, self.replies, self.pings = [], [], []
        self.open = {}
        self.connections = 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.present(presents)

    def present(self, pair):
        """Take another certificate; connections that are open keep theirs."""
        self.context = server_context(pair)

    @property
    def port(self):
        return self.server_address[1]

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name=f"registrar {self.port}")
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        self.shutdown()
        self._thread.join()
        self.cut()
        self.server_close()

    def granted(self, request):
        return answer_to(request, "200 OK", f"Contact: {request['Contact'].split(',')[0]};expires={self.expires}")

    def send(self, octets):
        """Over the connection that is open."""
        (connection,) = self.open.values()
        connection.send(octets)

    def cut(self):
        """End every connection without a farewell."""
        for connection in list(self.open.values()):
            connection.cut()

    def wait_for(self, condition):
        end = time.monotonic() + WITHIN
        while not (value := condition()):
            assert time.monotonic() < end, "not in time"
            time.sleep(0.005)
        return value

    def handle_error(self, request, client_address):
        """A handshake that the client ended, or a connection that was cut."""


class _Connection(socketserver.BaseRequestHandler):
    def setup(self):
        with self.server.lock:
            self.server.connections += 1
            self.number = (self.server.connections, self.client_address[1])
        # What OpenSSL keeps of a connection is not for two threads at once, and a test sends while this one reads.
        self.talking = threading.Lock()
        self.request.settimeout(WITHIN)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.request.settimeout(None)
        self.server.open[self.number] = self

    def handle(self):
        octets = b""
        while got := self._received():
            if self.server.deaf:
                self.server.over.wait()
            octets += got
            while octets.startswith(b"\r\n\r\n"):
                self.server.pings.append(self.number)
                octets = octets[4:]
                if self.server.pongs:
                    self.send(b"\r\n")
            while b"\r\n\r\n" in octets:
                head, _, octets = octets.partition(b"\r\n\r\n")
                self._take(Heard(Message.parse(head + b"\r\n\r\n"), self.number))

    def send(self, octets):
        with self.talking:
            self.request.sendall(octets)

    def _received(self):
        select.select([self.request], [], [])
        with self.talking:
            return self.request.recv(65_536)

    def _take(self, heard):
        if getattr(heard.message, "method", None) != "REGISTER":
            self.server.replies.append(heard)
            return
        self.server.registers.append(heard)
        answer = self.server.answers.pop(0) if self.server.answers else self.server.granted
        self.send(answer(heard))

    def cut(self):
        self.server.open.pop(self.number, None)
        # A thread that reads keeps the connection open, whoever closes the socket.
        with suppress(OSError):
            socket.socket.shutdown(self.request, socket.SHUT_RDWR)

    def finish(self):
        self.server.open.pop(self.number, None)
        self.request.close()
