"""A configuration server in small on loopback: files by their path, over HTTP or TLS, and who asked for them."""

import ssl
import tempfile
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding

Request = namedtuple("Request", "path user_agent")


class ConfigurationServer:
    """`files`: path to text, octets, or the URL of another server after "-> ". `tls`: an ssl.SSLContext.

    `refused`: handshakes that did not end well.
    """

    def __init__(self, files=None, *, tls=None):
        self.files, self.tls = dict(files or {}), tls
        self.requests, self.refused = [], []

    def __enter__(self):
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = urlsplit(self.path).path
                site.requests.append(Request(path, self.headers["User-Agent"]))
                body = site.files.get(path)
                if isinstance(body, str) and body.startswith("-> "):
                    self.send_response(302)
                    self.send_header("Location", body[3:])
                    body = b""
                elif body is None:
                    self.send_response(404)
                    body = b""
                else:
                    self.send_response(200)
                    body = body.encode() if isinstance(body, str) else body
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments):
                pass

        class Server(ThreadingHTTPServer):
            def finish_request(self, request, client_address):
                if site.tls is not None:
                    request.settimeout(30)
                    try:
                        request = site.tls.wrap_socket(request, server_side=True)
                    except OSError as error:
                        site.refused.append(str(error))
                        return
                super().finish_request(request, client_address)
                if site.tls is not None:
                    request.close()

            def handle_error(self, *_arguments):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="configuration server")
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}/"

    @property
    def asked_for(self):
        return [request.path for request in self.requests]


def presenting(pair, *, ciphers=None):
    """A server's side of TLS with a pair; `ciphers` are those of TLS 1.2, and then it speaks no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as place:
        place.write(pair.host.public_bytes(Encoding.PEM) + pair.host_key.reveal())
        place.flush()
        context.load_cert_chain(place.name)
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    return context
