"""A receiver of HTTP requests on loopback that fails on demand."""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HttpSink:
    """`status`: what it answers; `location` with it. `late`: seconds before it does; `drops`: it closes instead. `slowly`: it
    sends an octet of its head each so many seconds. `received`: method, path, headers and body of each request.
    """

    def __init__(self):
        self.status, self.location, self.late, self.drops, self.slowly = 200, "", 0.0, False, 0.0
        self.received = []
        self.port = 0

    def __enter__(self):
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sink.received.append((self.command, self.path, self.headers, body))
                over = time.monotonic() + sink.late
                while time.monotonic() < over and not sink.ending.is_set():
                    time.sleep(0.02)
                with suppress(OSError):
                    self._answer()

            do_POST = do_GET  # noqa: N815 - as http.server calls it

            def _answer(self):
                if sink.drops:
                    self.connection.close()
                    return
                if sink.slowly:
                    for octet in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
                        if sink.ending.is_set():
                            return
                        self.wfile.write(bytes([octet]))
                        time.sleep(sink.slowly)
                self.send_response(sink.status)
                if sink.location:
                    self.send_header("Location", sink.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_arguments):
                pass

        self.ending = threading.Event()
        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="http sink")
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"
