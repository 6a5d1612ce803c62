"""A small server for IP system phones on loopback: `/cacerts`, the report and the proof over real TLS, as a test wants them."""

import base64
import json
import socketserver
import ssl
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address

from certificates.pki import formats
from certificates.pki.identity import Identity
from certificates.pki.succession import Succession, sign
from tests.support.ports import free_port
from tests.support.x509 import a_pair

LOOPBACK = Identity(("localhost",), (ip_address("127.0.0.1"),))
TOKEN = "3q2-7wAbCdEfGhIjKlMnOpQrStUvWxYz0123456789A"


def a_pair_now(number, *, identity=LOOPBACK, **changes):
    """A pair for loopback that is valid by this machine's clock. One of a higher number begins and ends later."""
    now = datetime.now(UTC).replace(microsecond=0)
    begins = now - timedelta(days=2) + timedelta(hours=number)
    times = {"made_at": now, "not_before": begins, "end": now + timedelta(days=300 + number)}
    return a_pair(number=number, identity=identity, **(times | changes))


def in_est(*certificates):
    """What `/cacerts` answers with."""
    return base64.encodebytes(formats.pkcs7_der(certificates))


def a_succession(number, served, *following):
    """What the product says about these pairs: one is served, the others are to come."""
    roots = [formats.sha256_fingerprint(pair.root).replace(":", "").lower() for pair in (served, *following)]
    return Succession(number=number, served=roots[0], next=tuple(roots[1:]))


def signed_by(pair, succession):
    return sign(succession, pair.host, pair.host_key)


def server_context(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(formats.agent_pem(pair.host, pair.host_key))
        file.flush()
        context.load_cert_chain(file.name)
    return context


@dataclass
class Asked:
    """A request. `connection`: the number of the connection that it came over."""

    method: str
    path: str
    headers: object
    body: bytes
    connection: int

    @property
    def json(self):
        return json.loads(self.body)


class EstServer(socketserver.ThreadingTCPServer):
    """Between `with` and its end. `presents`: the pair of the next connections, None for plain HTTP.

    `succession`: what it says of its pairs, with `signatures`; None where it is of a version that says nothing.

    `answers` by path: octets that are sent instead of an answer, then the connection ends; or a function that gets the request
    and returns status, headers and body. `ends_after`: the path after whose answer it ends the connection, without saying so.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, presents, bundle=(), *, host="127.0.0.1", port=0, token=TOKEN):
        super().__init__((host, port or free_port()), _Handler)
        self.bundle = list(bundle)
        self.succession = None
        self.signatures = []
        self.token = token
        self.answers = {}
        self.ends_after = None
        self.asked = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.lock = threading.Lock()
        self.present(presents)

    def present(self, pair):
        """Take another certificate; connections that are open keep theirs."""
        self.context = pair and server_context(pair)

    def says(self, succession, *signers):
        """Say this of its pairs, signed by these."""
        self.succession = succession
        self.signatures = [signed_by(pair, succession) for pair in signers]

    @property
    def port(self):
        return self.server_address[1]

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name=f"est {self.port}")
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def paths(self):
        return [one.path for one in self.asked]

    def handle_error(self, request, client_address):
        """A handshake that the client ended, or a connection that it cut."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def setup(self):
        with self.server.lock:
            self.server.connections += 1
            self.number = self.server.connections
            self.server.open += 1
            self.server.most_open = max(self.server.most_open, self.server.open)
        if self.server.context:
            self.request.settimeout(10)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        with self.server.lock:
            self.server.open -= 1
        super().finish()
        if self.server.context:
            self.request.close()

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, self.headers, body, self.number)
        self.server.asked.append(asked)
        given = self.server.answers.get(self.path)
        if isinstance(given, bytes):
            self.wfile.write(given)
            self.close_connection = True
            return
        self._send(*(given or self._usual)(asked))
        if self.path == self.server.ends_after:
            self.close_connection = True

    def do_POST(self):
        self.do_GET()

    def _usual(self, asked):
        if self.path == "/.well-known/est/cacerts":
            body = in_est(*(pair.root for pair in self.server.bundle))
            tag = f'"{hash(body)}"'
            if asked.headers.get("If-None-Match") == tag:
                return 304, {"ETag": tag}, b""
            return 200, {"ETag": tag, "Content-Type": "application/pkcs7-mime"}, body
        if self.path == "/succession" and self.server.succession:
            words = self.server.succession.words() | {"signatures": self.server.signatures}
            return 200, {"Content-Type": "application/json"}, json.dumps(words).encode()
        if self.path in {"/report", "/proof"}:
            known = asked.headers.get("Authorization") == f"Bearer {self.server.token}"
            return (204 if known else 401), {}, b""
        return 404, {}, b""

    def _send(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """The tests look at `asked`."""
