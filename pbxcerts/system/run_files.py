"""What the processes of `up` tell pages, commands and the heartbeat: a file in DATA/run for each matter.

Files, not rows: the supervisor holds no database connection, and the database may be what is broken.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

from django.conf import settings


@dataclass(frozen=True)
class FailingProcess:
    """A process of the tree that cannot be started. The supervisor tells it."""

    failures: int
    """How often in a row."""
    last_end: str
    """How it last ended, in the system language: an exit code, a signal, the silence."""


@dataclass(frozen=True)
class FailingListener:
    """A listener of the terminals that cannot be opened. The web process tells it."""

    address: str
    reason: str


@dataclass(frozen=True)
class OtherMachine:
    """Another machine of this installation. Worker and web process tell it, whichever of them is here.

    What follows is told of the one that publishes alone. `store_mark`, `store_standing`: what its store says of itself
    (`certificates.renewal.standing`). `refuses_us`: which secret of ours is another than there, so that we may not work
    (`pbxcerts.system.machines.shared_secrets.Difference`); `our_clock_ahead`: seconds that our machine's clock is ahead of
    the clock there, 0 for less than five seconds.
    """

    name: str
    publishes: bool
    is_silent: bool = False
    store_mark: str = ""
    store_standing: str = ""
    refuses_us: str = ""
    our_clock_ahead: float = 0.0


F = TypeVar("F", FailingProcess, FailingListener, OtherMachine)


@dataclass(frozen=True)
class RunFile(Generic[F]):
    """A file that says which processes, or which listeners, fail now, or which other machines there are: each by its name."""

    name: str
    kind: type[F]

    def at(self, data: Path) -> Path:
        return data / "run" / self.name

    def write(self, data: Path, failing: Mapping[str, F]) -> bool:
        """Whether it could be written: a full disk stops no process."""
        file = self.at(data)
        new = file.with_suffix(".new")
        with suppress(OSError):
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
                json.dump({name: asdict(one) for name, one in failing.items()}, handle)
            new.replace(file)
            return True
        return False

    def write_if_new(self, data: Path, told: Mapping[str, F]) -> None:
        """Leave a file that says the same, and no file where nothing is to be told."""
        if not told:
            self.at(data).unlink(missing_ok=True)
        elif told != self.read(data):
            self.write(data, told)

    def read(self, data: Path) -> dict[str, F]:
        try:
            return {name: self.kind(**one) for name, one in json.loads(self.at(data).read_text()).items()}
        except (OSError, ValueError, TypeError):
            return {}


FAILING_PROCESSES = RunFile("processes.json", FailingProcess)
FAILING_LISTENERS = RunFile("listeners.json", FailingListener)
OTHER_MACHINES = RunFile("machines.json", OtherMachine)


def _broker_file(data: Path) -> Path:
    return data / "run" / "broker-away"


def tell_broker_away(data: Path, *, is_away: bool) -> None:
    """The worker tells whether the broker answers."""
    with suppress(OSError):
        if is_away:
            _broker_file(data).touch(mode=0o600)
        else:
            _broker_file(data).unlink(missing_ok=True)


def broker_is_away(data: Path) -> bool:
    return _broker_file(data).exists()


def _https_file() -> Path:
    return Path(settings.DATA) / "run" / "https"


def https_opened(port: int) -> None:
    """Say that the panel's HTTPS listener is open, for as long as this process lives.

    The file is locked, and a lock ends with the process however that ends: what stands in the file alone proves nothing.
    """
    descriptor = os.open(_https_file(), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.truncate(descriptor, 0)
    os.write(descriptor, str(port).encode())


def https_port() -> int | None:
    """The port of the panel's HTTPS listener while that is open."""
    try:
        descriptor = os.open(_https_file(), os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(descriptor, 5))
    finally:
        os.close(descriptor)
    return None
