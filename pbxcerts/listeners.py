"""Where the panel listens: told by the web process, asked by pages and commands."""

import fcntl
import os
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
