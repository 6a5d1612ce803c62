"""Files and directories that are for their owner alone."""

import fcntl
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)


def write_secret(file: Path, value: str) -> None:
    """Create `file` with mode 0600, whole or not at all; a file that somebody else made meanwhile is left as it is."""
    make_directory(file.parent)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if file.exists():
            return
        staged = file.with_name(f".new-{file.name}")
        staged.unlink(missing_ok=True)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(value + "\n")
            handle.flush()
            # What is encrypted with a secret must not outlive it when the power fails.
            os.fsync(handle.fileno())
        staged.rename(file)
        os.fsync(directory)
    finally:
        os.close(directory)


def make_directory(directory: Path) -> None:
    """Create `directory`, and what is missing above it, with mode 0700."""
    for missing in [*reversed(directory.parents), directory]:
        missing.mkdir(exist_ok=True, mode=0o700)


def make_private(place: Path) -> None:
    """Take back from others what a restore may have opened to them (rule store-modes): of a file, or of a directory and all
    that is in it. A link is not followed, and what belongs to somebody else is left.
    """
    with suppress(OSError):
        there = place.lstat()
        mode = stat.S_IMODE(there.st_mode)
        if there.st_uid == os.geteuid() and not stat.S_ISLNK(there.st_mode) and mode & 0o077:
            logger.warning("%s was open to others (%04o): put right", place, mode)
            place.chmod(mode & ~0o077)
        if stat.S_ISDIR(there.st_mode):
            for entry in place.iterdir():
                make_private(entry)
