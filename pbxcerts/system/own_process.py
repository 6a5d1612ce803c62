"""What every process of the product does first of all, before it opens a file or learns a secret. Free of Django, so that the
agent does it too.
"""

import ctypes
import io
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_DUMPABLE = 4
PR_GET_NO_NEW_PRIVS = 39
_callers_core_limit = resource.getrlimit(resource.RLIMIT_CORE)


def begin() -> None:
    open_standard_streams()
    write_what_the_console_can_show()
    leave_no_core_dump()


def open_standard_streams() -> None:
    """Open to /dev/null what the caller closed (`>&-`): else the next file that is opened, the database say, would be
    standard output.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number, so it is this one. Programs that are started inherit it.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - it takes no keyword
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the process ends


def write_what_the_console_can_show() -> None:
    """A character that the console's encoding lacks becomes a question mark: no command fails because of a dash or a name.
    What a program reads is ASCII (JSON, PEM) or written as UTF-8 (CSV).
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def write_utf_8() -> None:
    """For a table that a program reads, whatever the console shows."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def leave_no_core_dump() -> None:
    """A core dump of a process that holds keys and passwords would hold them too (rule no-core-dump)."""
    _soft, hard = _callers_core_limit
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    # Where core dumps are piped into a program (core(5)), the limit does not count; this does. It is inherited by fork, not by exec.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def may_gain_privileges() -> bool:
    """Whether a program that this process starts may become another user (sudo, setuid); in a service's sandbox none may
    (NoNewPrivileges= of systemd.exec(5)).
    """
    return bool(ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)


@contextmanager
def callers_core_limit() -> Iterator[None]:
    """For a program that is started: what it leaves when it crashes is for the caller to say."""
    own = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, _callers_core_limit)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, own)
