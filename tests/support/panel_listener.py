"""A listener as the panel's are, over real sockets in this process, and clients of it.

The clients' addresses are of 127.0.0.0/8; a listener exempts the addresses that it is told to, and here those are none.
"""

import asyncio
import socket
import ssl
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread

import uvloop
from a2wsgi import WSGIMiddleware
from cryptography.hazmat.primitives.serialization import Encoding

from pbxcerts.processes import startup
from pbxcerts.processes.listeners.admission import Admission
from pbxcerts.processes.listeners.budget import Budget
from pbxcerts.processes.listeners.places import Limits, Places, counts_as, networks
from pbxcerts.processes.listeners.precedence import PRECEDENCE, Precedence
from pbxcerts.processes.listeners.serving import Serving
from pbxcerts.processes.listeners.turns import Turns
from pbxcerts.processes.listeners.whole_requests import WholeRequests, in_one_go
from pbxcerts.system.network.endpoint import Endpoint
from tests.support.x509 import NOW, a_pair

LARGE, PART = 2_000_000, 10_000
PAGE = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE_PAGE = PAGE.replace(b"/page", b"/large")
LAST = PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Pair:
    """A context that does not change."""

    number = 1

    def __init__(self, directory):
        pair = a_pair(number=1, made_at=NOW)
        (directory / "chain").write_bytes(pair.host.public_bytes(Encoding.PEM) + pair.root.public_bytes(Encoding.PEM))
        (directory / "key").write_bytes(pair.host_key.reveal())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "chain", directory / "key")

    def follow(self):
        return False


class PanelListener:
    """A listener as the panel's are, with an application that answers `/page`, `/large`, how much a request has sent, and which octets."""

    def __init__(
        self,
        *,
        in_all=50,
        of_one=50,
        exempt=(),
        pair=None,
        bodies=10_000_000,
        responses=50_000_000,
        turn=0.001,
        inside=8,
    ):
        self.precedence = Precedence()
        self.places = Places(Limits(in_all, of_one), networks(exempt), Turns(turn))
        self.budgets = {"bodies": Budget(Limits(bodies, bodies)), "responses": Budget(Limits(responses, responses))}
        self.admission = Admission(inside)
        self.asked = 0
        self.may_answer = Event()
        self.may_answer.set()
        self._pair = pair
        self._listener = startup.listen(Endpoint("127.0.0.1", 0), open_to_all=False, at_once=True)
        self.port = self._listener.getsockname()[1]
        self._loop = uvloop.new_event_loop()
        self._serving = None

    def _application(self, environ, start_response):
        self.asked += 1
        # As the panel does for who is logged in.
        with environ[PRECEDENCE].page():
            self.may_answer.wait()
        sent = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/large":
            return [b"x" * PART] * (LARGE // PART)
        return [b"%d octets came: %b" % (len(sent), bytes(sorted(set(sent)))[:10])]

    async def _serve(self):
        self._serving = Serving()
        threads = WSGIMiddleware(in_one_go(self._application, self.precedence), workers=8, send_queue_size=0)
        app = WholeRequests(threads, limit=2_500_000, **self.budgets, admission=self.admission, counts_as=counts_as(()))
        await self._serving.listen(app, self._listener, self.places, self._pair, proxies=[], idle=75)

    @contextmanager
    def serving(self):
        def run():
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())

        thread = Thread(target=run)
        thread.start()
        try:
            yield self
        finally:
            self.may_answer.set()
            self._loop.call_soon_threadsafe(self._serving.end)
            thread.join()

    @property
    def kept_by_the_kernel(self):
        """Octets that it keeps for a connection that has not been accepted yet."""
        return self._listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def connect(self, *, address="127.0.0.1", keeps=None):
        client = socket.socket()
        client.settimeout(10)
        if keeps is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, keeps)
        client.bind((address, 0))
        client.connect(("127.0.0.1", self.port))
        return client

    def answers(self, *, address="127.0.0.1", said=LAST):
        with suppress(ConnectionError), self.connect(address=address) as client:
            client.sendall(said)
            return b"200 OK" in everything(client)
        return False


def trusting_nobody():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def everything(client):
    came = bytearray()
    with suppress(ConnectionError):
        while data := client.recv(65536):
            came += data
    return bytes(came)


def is_closed(client):
    client.settimeout(0.1)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def wait_until(question):
    end = time.monotonic() + 10
    while not question():
        assert time.monotonic() < end
        time.sleep(0.01)
