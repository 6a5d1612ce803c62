"""The communication server of the demonstration: TLS on loopback with the files of the store, loaded anew at SIGHUP. Of SIP it knows
OPTIONS, so that a proof by call goes as far as it does without a test account.

How it takes the next reload stands in a file that the banner's buttons write, so that a switch can be seen to fail.
"""

import enum
import os
import re
import select
import signal
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path

from pbxcerts.demo.stage import LOOPBACK, Stage
from pbxcerts.processes import lifeline
from pbxcerts.system import own_process


class Conduct(enum.StrEnum):
    WORKS = "works"
    KEEPS = "keeps"
    """It presents its old certificate after the reload."""
    FAILS = "fails"
    """It does not start with another certificate than the one it had, and is not reached until it has that again."""


def conduct_of(stage: Stage) -> Conduct:
    try:
        return Conduct(stage.server_conduct.read_text())
    except (OSError, ValueError):
        return Conduct.WORKS


def set_conduct(stage: Stage, conduct: Conduct) -> None:
    """Also have it look at its files anew, as a person does who has mended it."""
    stage.server_conduct.write_text(conduct)
    if conduct is Conduct.WORKS:
        with suppress(OSError, ValueError):
            os.kill(int(stage.server_pid.read_text()), signal.SIGHUP)


class SimulatedServer:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._files = stage.store / "current"
        self._loaded = b""
        self._context: ssl.SSLContext | None = None
        self._listening: socket.socket | None = None

    def load(self) -> None:
        """What it does at its start and at each reload. Before there is a pair it is not reached."""
        conduct = conduct_of(self._stage)
        if conduct is Conduct.KEEPS and self._loaded:
            return
        try:
            found = (self._files / "fullchain.pem").read_bytes()
        except OSError:
            return
        if conduct is Conduct.FAILS and self._loaded and found != self._loaded:
            self.close()
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files / "fullchain.pem", self._files / "host.key")
        self._loaded, self._context = found, context
        if self._listening is None:
            self._listening = socket.create_server((LOOPBACK, self._stage.server))

    @property
    def is_open(self) -> bool:
        return self._listening is not None

    def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def serve(self, wake: socket.socket) -> None:
        """Until the process ends. `wake` has something to read after a signal."""
        while True:
            listening = self._listening
            ready, _, _ = select.select([wake, *([listening] if listening else [])], [], [])
            if wake in ready and bytes([signal.SIGHUP]) in wake.recv(64):
                self.load()
            elif listening in ready:
                self.answer()

    def answer(self) -> None:
        """One connection, for as long as a handshake and one request take."""
        if self._listening is None:
            return
        with suppress(OSError):
            connection, _ = self._listening.accept()
            with connection:
                connection.settimeout(5)
                if self._context is not None:
                    with self._context.wrap_socket(connection, server_side=True) as secure:
                        request = secure.recv(16_384).decode()
                        if request.startswith("OPTIONS "):
                            copied = "".join(re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*\n", request, re.MULTILINE))
                            secure.sendall(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n".encode())


def main(directory: str) -> None:
    own_process.begin()
    lifeline.end_with(os.getppid())
    stage = Stage.read(Path(directory))
    heard, tells = socket.socketpair()
    tells.setblocking(False)  # noqa: FBT003 - it takes no keyword
    signal.set_wakeup_fd(tells.fileno())
    signal.signal(signal.SIGHUP, lambda _signal, _frame: None)
    server = SimulatedServer(stage)
    server.load()
    stage.server_pid.write_text(str(os.getpid()))
    server.serve(heard)


if __name__ == "__main__":
    main(sys.argv[1])
