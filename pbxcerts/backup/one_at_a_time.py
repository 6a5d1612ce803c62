"""One backup is made at a time. A lock says so, which ends with the process."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from pbxcerts.backup.errors import BackupRunning
from pbxcerts.system import files


def is_running() -> bool:
    try:
        descriptor = os.open(_lock_file(), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory in DATA/run for the one who makes a backup. What a killed one has left goes with the next. Raises BackupRunning or
    OSError.
    """
    place = Path(settings.DATA) / "run" / "backup"
    files.make_directory(place.parent)
    descriptor = os.open(_lock_file(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRunning(_("Another backup is being made at this moment. Try again when it is done.")) from None
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(descriptor)


def _lock_file() -> Path:
    return Path(settings.DATA) / "run" / "backup.lock"
