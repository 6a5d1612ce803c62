"""A communication server in small: real TLS on loopback, with the published files, and a reload command that is a real program."""

import hashlib
import os
import select
import socket
import ssl
import stat
import threading
from pathlib import Path


class TlsServer:
    """Presents `certificate` and `key`, which it reads when it starts and whenever `on_reload` says so.

    `on_reload` is what it does when its reload command has run: "load" the files again, "keep" what it has, or "die".
    "watch" needs no command: it reads the files anew for each connection.
    """

    def __init__(self, certificate, key, *, directory, on_reload="load", name="server"):
        self.certificate, self.key, self.on_reload = certificate, key, on_reload
        self.log = directory / f"{name}.log"
        self.log.touch()
        script = directory / f"{name}-reload"
        script.write_text(f'#!/bin/sh\necho reload >> "{self.log}"\n')
        script.chmod(0o755)
        self.reload_command = [str(script)]
        self._listening = _listen(0)
        self.port = self._listening.getsockname()[1]
        self._listening.close()
        self._thread = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def reloads(self):
        return len(self.log.read_text().splitlines())

    def start(self):
        self._over = threading.Event()
        self._listening = _listen(self.port)
        self._context = self._load()
        self._seen = self.reloads
        self._thread = threading.Thread(target=self._serve, name=f"tls {self.port}")
        self._thread.start()
        return self

    def stop(self):
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _load(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def _serve(self):
        with self._listening:
            while not self._over.is_set():
                ready, _, _ = select.select([self._listening], [], [], 0.01)
                if self.reloads > self._seen:
                    self._seen = self.reloads
                    if self.on_reload == "die":
                        return
                    if self.on_reload == "load":
                        self._context = self._load()
                if ready:
                    self._answer()

    def _answer(self):
        connection, _ = self._listening.accept()
        with connection:
            try:
                connection.settimeout(5)
                context = self._load() if self.on_reload == "watch" else self._context
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                return


def _listen(port):
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(16)
    return listening


def fingerprint(pem):
    """SHA-256 of the first certificate of a file, in hex."""
    first = pem.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()


def script(path: Path, text: str) -> list[str]:
    """An executable file as a command."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [os.fspath(path)]
