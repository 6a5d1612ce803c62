"""Where the web process listens, and where it cannot: told by it, asked by pages, commands and the heartbeat."""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings


def _file() -> Path:
    return Path(settings.DATA) / "run" / "https"


def https_opened(port: int) -> None:
    """Say that the HTTPS listener is open, for as long as this process lives.

    The file is locked, and a lock ends with the process however that ends: what stands in the file alone proves nothing.
    """
    descriptor = os.open(_file(), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.truncate(descriptor, 0)
    os.write(descriptor, str(port).encode())


def https_port() -> int | None:
    """The port of the panel's HTTPS listener while that is open."""
    try:
        descriptor = os.open(_file(), os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(descriptor, 5))
    finally:
        os.close(descriptor)
    return None


@dataclass(frozen=True)
class Failing:
    """A listener of the terminals that cannot be opened."""

    address: str
    reason: str


def _failing_file() -> Path:
    return Path(settings.DATA) / "run" / "listeners.json"


def tell_failing(failing: Mapping[str, Failing]) -> None:
    """By the listener's name; on a full disk nothing is told, and the listeners go on."""
    new = _failing_file().with_suffix(".new")
    with suppress(OSError):
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            json.dump({name: asdict(one) for name, one in failing.items()}, handle)
        new.replace(_failing_file())


def failing() -> dict[str, Failing]:
    try:
        return {name: Failing(**one) for name, one in json.loads(_failing_file().read_text()).items()}
    except (OSError, ValueError, TypeError):
        return {}
