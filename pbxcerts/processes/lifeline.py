"""The lifeline from `up` to every process below it: what belongs to a session of ours ends with the process that started it.

Linux only: PR_SET_PDEATHSIG (prctl(2)) and the session IDs of proc(5). Free of Django: the supervisor stays small.
"""

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
# Looked up once: processes that are forked later share it.
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def end_with(parent: int, *, by: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send this process `by` when `parent`, which started it, ends in whatever way."""
    if _prctl(PR_SET_PDEATHSIG, by) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # It ended before the kernel was told.
    if os.getppid() != parent:
        os._exit(1)


def name(part: str) -> None:
    """What this process is called in lists of processes (proc(5), comm): at most 15 characters."""
    _prctl(PR_SET_NAME, f"pbxcerts-{part}".encode()[:15])


def end_forked_children_too() -> None:
    """Whatever this process forks, and what those fork, is killed when the one that forked it ends.

    Without it the processes of a cluster outlive its sentinel and go on working without a guard.
    """
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: end_with(parent, by=signal.SIGKILL))


def end_within(seconds: int) -> None:
    """From now on this process, the leader of its session, has so many seconds; then all of the session is killed
    (rule orderly-end).
    """

    def too_late(_signal: int, _frame: FrameType | None) -> None:
        kill_session(os.getpid())

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)


def kill_session(leader: int) -> None:
    """SIGKILL to every process of the session, the leader last.

    A process group would not do: a command with a group of its own would be left behind.
    """
    # A process may fork between two looks; one that hangs in the kernel ends when the kernel lets it.
    for _look in range(50):
        members = [pid for pid in _session(leader) if pid != leader]
        if not members:
            break
        for pid in members:
            _kill(pid)
        time.sleep(0.01)
    _kill(leader)


def _session(leader: int) -> list[int]:
    """The living processes of a session; zombies are somebody's to reap and cannot be killed."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                # The name may hold spaces and brackets: fields are counted from the last bracket (proc(5)).
                state, _ppid, _pgrp, session, *_rest = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(session) == leader and state not in "ZX":
                    members.append(int(entry.name))
    return members


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
