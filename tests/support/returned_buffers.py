"""Prints whether a large buffer goes back to the system when it is freed (1 or 0): in a child of a supervisor, or `alone`."""

import ctypes
import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pbxcerts.processes.service_manager import ServiceManager
from pbxcerts.processes.supervision import ChildProcess, Patience, Supervisor

BUFFER = 256 * 1024
"""What uvloop has for each connection."""


class Mallinfo(ctypes.Structure):
    """`struct mallinfo2` of <malloc.h>; hblks is the number of blocks that were got from the system one by one (mallinfo(3))."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def is_returned() -> int:
    """By default the first large buffer that is freed raises the limit, and the next one is taken from the heap (mallopt(3))."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    libc.mallinfo2.restype = Mallinfo
    libc.free(libc.malloc(2 * BUFFER))
    before = libc.mallinfo2().hblks
    libc.malloc(BUFFER)
    return libc.mallinfo2().hblks - before


def child(_works: object) -> int:
    print(is_returned(), flush=True)  # noqa: T201 - what the test reads
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()
    return 0


def other_child(_works: object) -> int:
    signal.pause()
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["alone"]:
        print(is_returned())  # noqa: T201 - what the test reads
    else:
        patience = Patience()
        with TemporaryDirectory() as data:
            web = ChildProcess("web", child, not_its=[], patience=patience)
            cluster = ChildProcess("worker", other_child, not_its=[], patience=patience)
            Supervisor(
                web, cluster, machine="", data=Path(data), sqlite_file=None, patience=patience, manager=ServiceManager()
            ).run()
