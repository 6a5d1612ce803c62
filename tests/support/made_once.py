"""What takes long to make and is the same for every test is made by the first process of a test run that needs it."""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

if "TESTS_MADE_ONCE" not in os.environ:
    # The processes that this one starts find it there.
    os.environ["TESTS_MADE_ONCE"] = tempfile.mkdtemp(prefix="pbxcerts-tests-")
    atexit.register(shutil.rmtree, os.environ["TESTS_MADE_ONCE"], ignore_errors=True)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The file or directory that `make` makes at the path that it is given. Nobody changes it: who would, copies it."""
    place = Path(os.environ["TESTS_MADE_ONCE"]) / name
    with place.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            unfinished = place.with_name(f"{name}.unfinished")
            make(unfinished)
            unfinished.rename(place)
    return place
