"""Where a demonstration takes place: a directory, ports and an environment of its own, taken before any setting is read.

Free of Django, because those who play a part in it (telephones, communication server) know nothing of the product's database.
"""

import argparse
import atexit
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from pbxcerts import env
from pbxcerts.system import files

FIRST_PORT = 8010
LOOPBACK = "127.0.0.1"
USER = "demo"
_FILE = "stage.json"
_held: list[socket.socket] = []
"""Open until this process ends."""


@dataclass(frozen=True)
class Stage:
    """The ports of the panel, of the terminals' three listeners, of the communication server, of the desk telephones' SIP, and of
    the time server; and the password of the user `demo`.
    """

    directory: Path
    panel: int
    https: int
    http: int
    proof: int
    server: int
    sip: int
    time: int
    password: str

    @classmethod
    def read(cls, directory: Path) -> "Stage":
        return cls(directory, **json.loads((directory / _FILE).read_text()))

    @classmethod
    def made_in(cls, directory: Path) -> "Stage":
        panel, https, http, proof, server, sip, time = _take_ports(7)
        stage = cls(directory, panel, https, http, proof, server, sip, time, secrets.token_urlsafe(9))
        values = asdict(stage)
        del values["directory"]
        (directory / _FILE).write_text(json.dumps(values))
        return stage

    @property
    def environment(self) -> dict[str, str]:
        """What the product is started with."""
        return {
            "PBXCERTS_DEMO": str(self.directory),
            "PBXCERTS_DATA": str(self.directory / "data"),
            "PBXCERTS_TERMINALS_HTTPS": f"{LOOPBACK}:{self.https}",
            "PBXCERTS_TERMINALS_HTTP": f"{LOOPBACK}:{self.http}",
            "PBXCERTS_TERMINALS_PROOF": f"{LOOPBACK}:{self.proof}",
            # -P: a file of the folder it is started in is no module of ours.
            "PBXCERTS_RELOAD_COMMAND": f'"{sys.executable}" -P "{Path(__file__).with_name("reload_command.py")}" "{self.server_pid}"',
        }

    @property
    def store(self) -> Path:
        return self.directory / "data" / "store"

    @property
    def server_pid(self) -> Path:
        """There as soon as the communication server plays."""
        return self.directory / "server.pid"

    @property
    def telephones_pid(self) -> Path:
        """There as soon as the time server, which is in the process of the telephones, plays."""
        return self.directory / "telephones.pid"

    @property
    def server_conduct(self) -> Path:
        return self.directory / "server"

    @property
    def cast(self) -> Path:
        """The list of the telephones that are played."""
        return self.directory / "telephones.json"

    @property
    def first_root(self) -> Path:
        """The root that every telephone trusts at the beginning, as if a person had put it in."""
        return self.directory / "first-root.pem"


def take(arguments: list[str]) -> None:
    """Leave everything behind that the caller's environment says of an installation, and go on in a directory of our own, which
    is removed at the end unless `--keep` names it. Ends the process where that one cannot be used.
    """
    if {"-h", "--help"} & {*arguments}:
        return
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--keep")
    known, _others = parser.parse_known_args(arguments)
    if cleared := leave_the_callers_installation():
        sys.stderr.write(f"The demonstration has an installation of its own; it goes without {', '.join(cleared)}.\n")
    os.environ.update(Stage.made_in(_directory(known.keep)).environment)


def leave_the_callers_installation() -> list[str]:
    """Returns the names of the variables that were set."""
    names = sorted(name for name in os.environ if name.startswith(env.OURS) or name in env.OF_THE_SERVICE_MANAGER)
    for name in names:
        del os.environ[name]
    return names


def _directory(kept: str | None) -> Path:
    if kept is None:
        directory = Path(tempfile.mkdtemp(prefix="pbxcerts-demo-"))
        atexit.register(_remove, directory, os.getpid())
        return directory
    directory = Path(kept).expanduser().absolute()
    try:
        files.make_directory(directory)
        if any(directory.iterdir()):
            sys.exit(f"{directory} is not empty: a demonstration begins in a directory of its own.")
        directory.chmod(0o700)
    except OSError as error:
        sys.exit(f"{directory} cannot be used: {error.strerror}.")
    return directory


def _remove(directory: Path, owner: int) -> None:
    """By the process that has made it alone, and none that was forked from it."""
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def ports_of_system_phones(stage: Stage) -> Iterator[int]:
    """Free ones, each stage has a thousand of its own."""
    return filter(_is_free, count(10_000 + (stage.panel - FIRST_PORT) * 100))


def _take_ports(number: int) -> range:
    """So many in a row that nobody has. One more, which is only held, keeps others that start in this moment away from them."""
    for first in count(FIRST_PORT, 10):
        ports, guard = range(first, first + number), socket.socket()
        if all(map(_is_free, ports)):
            with suppress(OSError):
                guard.bind((LOOPBACK, ports.stop))
                _held.append(guard)
                return ports
        guard.close()
    raise AssertionError


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # What is left of connections that have ended is in nobody's way.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                # At every address: each telephone has one of its own in 127.0.0.0/8.
                probe.bind(("0.0.0.0", port))  # noqa: S104 - it is closed at once
            except OSError:
                return False
    return True
