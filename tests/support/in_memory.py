"""The tests' temporary files lie in memory where it has room for them: on a disk a run takes a sixth longer."""

import os
import tempfile

PLACE = "/dev/shm"
"""A file system in memory (Linux, shm_overview(7)), in which everybody may make files as in /tmp."""
ENOUGH = 2 * 1024**3
"""Bytes; a whole run with all peers needs less than half of them. What a container has by default is 64 MiB."""


def keep_temporary_files_in_memory() -> None:
    """Of this process and of all that it starts. A place that the caller has named stays, and so does the usual one where
    the memory is small or nothing may be executed in it: tests write programs, too.
    """
    if "TMPDIR" in os.environ or not os.access(PLACE, os.R_OK | os.W_OK | os.X_OK):
        return
    state = os.statvfs(PLACE)
    if state.f_bavail * state.f_frsize >= ENOUGH and not state.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = PLACE
