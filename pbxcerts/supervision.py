"""The process tree of `up`: a web process and django-q2's cluster, each in a session of its own.

    up (this)       holds the lock on the data directory and the listening sockets
    ├── web         started again when it ends
    └── worker      started again when it ends, or when the heartbeat's row stands still: a list of living processes proves
        │           nothing (pbxcerts.pulse). It is django-q2's sentinel and starts the other three.
        └── worker, monitor, pusher

On any end of a child what is left of its session is killed before the next one is started. The children are forked from a
process that has loaded the product and never had a database open: they share its memory, 17 MB less than if each loaded it for
itself, and start at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from django.utils.translation import gettext as _

from pbxcerts import lifeline, memory, process_state, pulse

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
WATCHED = {*ENDING, signal.SIGCHLD}


@dataclass(frozen=True)
class Patience:
    """How long the supervisor waits for what; seconds of the monotonic clock, which nobody can set."""

    silence: float = 180
    """Between two changes of the heartbeat's row, or from the cluster's start to the first."""
    look: float = 5
    """Between two looks at that row."""
    backlog: int = 10
    """Tasks in the queue above which the cluster no longer takes note of what is done: one heartbeat a minute is asked for."""
    proof: float = 60
    """After so long a child has been started well, and the next end counts as the first."""
    first_delay: float = 1
    longest_delay: float = 60
    tells_from: int = 3
    """So many failures in a row are told on the pages."""
    tells_after: float = 2
    """When told to end, and what runs takes longer than that."""
    stop: int = 80
    """For the whole tree to end when told to; a little more than the cluster takes for its running task."""


class Child:
    """One process of ours, started again and again. `main` returns its exit code; `not_its` are descriptors it must not keep."""

    def __init__(self, name: str, main: Callable[[], int], *, not_its: Collection[int], patience: Patience) -> None:
        self.name = name
        self.failures = 0
        self.last_end = ""
        self.starts_at = 0.0
        self.started_at = 0.0
        self.pid: int | None = None
        self._main = main
        self._not_its = not_its
        self._patience = patience

    def start(self, now: float) -> None:
        supervisor = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._plan_next_start(now, str(error.strerror))
        else:
            if pid == 0:
                self._live(supervisor)
            self.pid = pid
        self.started_at = now

    def _live(self, supervisor: int) -> NoReturn:
        code = 1
        try:
            os.setsid()
            lifeline.end_with(supervisor)
            lifeline.name(self.name)
            for descriptor in self._not_its:
                os.close(descriptor)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            code = self._main()
        except BaseException:  # noqa: BLE001 - whatever it is, the supervisor's own code must never run on in the child
            traceback.print_exc()
        finally:
            os._exit(code)

    def has_ended(self, now: float, why: str = "") -> None:
        """Clear away what is left of the session and plan the next start."""
        code = self.clear()
        self._plan_next_start(now, why or _words(code))

    def is_over(self) -> bool:
        """Whether its first process has ended. It stays to be waited for: its session's ID must not go to another."""
        return self.pid is None or bool(os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def clear(self) -> int:
        """Kill what is left of the session; returns the exit code, negative for a signal."""
        assert self.pid is not None  # noqa: S101 - only a started child ends
        lifeline.kill_session(self.pid)
        _pid, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def _plan_next_start(self, now: float, why: str) -> None:
        self.last_end = why
        self.failures += 1
        doublings = min(self.failures - 1, 16)
        delay = min(self._patience.first_delay * 2**doublings, self._patience.longest_delay)
        self.starts_at = now + delay
        say(
            _("The %(name)s process ended (%(end)s). It is started again in %(seconds)g s.")
            % {"name": self.name, "end": self.last_end, "seconds": delay}
        )

    def has_proved_itself(self, now: float) -> bool:
        return self.pid is not None and now - self.started_at >= self._patience.proof


class Supervisor:
    """`sqlite_file` is None with PostgreSQL."""

    def __init__(self, web: Child, cluster: Child, *, data: Path, sqlite_file: Path | None, patience: Patience) -> None:
        self._web = web
        self._cluster = cluster
        self._children = [web, cluster]
        self._sqlite_file = sqlite_file
        self._state = process_state.file(data)
        self._patience = patience
        self._told: dict[str, process_state.Failing] = {}
        self._seen: int | None = None
        self._changed_at = 0.0
        self._looked_at = 0.0
        # What the caller had ignored (nohup) stays ignored.
        self._ending = {number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
        self._watched = {*self._ending, signal.SIGCHLD}

    def run(self) -> None:
        """Until a signal ends it; then nothing of the tree is left."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        memory.share()
        process_state.write(self._state, {})
        while True:
            now = time.monotonic()
            for child in self._children:
                if child.pid is None and now >= child.starts_at:
                    child.start(now)
                    if child is self._cluster:
                        self._seen, self._changed_at = None, now
            if self._cluster.pid is not None and now - self._looked_at >= self._patience.look:
                self._looked_at = now
                if why := self._why_the_cluster_is_dead(now):
                    self._cluster.has_ended(now, why)
            self._tell(now)
            received = signal.sigtimedwait(self._watched, self._seconds_to_wait(time.monotonic()))
            if received is None:
                continue
            if received.si_signo in self._ending:
                break
            self._reap()
        self._stop()

    def _why_the_cluster_is_dead(self, now: float) -> str:
        with suppress(pulse.NoPulseError):
            seen = pulse.read(self._sqlite_file)
            if seen.waiting > self._patience.backlog:
                return f"{seen.waiting} tasks are waiting"
            if self._seen is not None and seen.beats != self._seen:
                self._changed_at = now
            self._seen = seen.beats
        silence = now - self._changed_at
        return f"no heartbeat for {silence:.0f} s" if silence >= self._patience.silence else ""

    def _reap(self) -> None:
        """Take note of every child that ended. In a container orphans of others end up here, too, and are reaped."""
        with suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                for child in self._children:
                    if child.pid == ended.si_pid:
                        child.has_ended(time.monotonic())
                        break
                else:
                    os.waitpid(ended.si_pid, os.WNOHANG)

    def _tell(self, now: float) -> None:
        """Write down for the pages what cannot be started."""
        failing = {}
        for child in self._children:
            if child.has_proved_itself(now) and (child is not self._cluster or self._changed_at > child.started_at):
                child.failures = 0
            if child.failures >= self._patience.tells_from:
                failing[child.name] = process_state.Failing(child.failures, child.last_end)
        if failing != self._told and process_state.write(self._state, failing):
            self._told = failing

    def _seconds_to_wait(self, now: float) -> float:
        starts = [child.starts_at - now for child in self._children if child.pid is None]
        return max(0.0, min([self._patience.look, *starts]))

    def _stop(self) -> None:
        """End every child: asked first, killed when its time is over or on a second Ctrl-C."""
        running = [child for child in self._children if child.pid is not None]
        for child in running:
            os.kill(child.pid or 0, signal.SIGTERM)
        deadline = time.monotonic() + self._patience.stop
        if not self._wait_for_the_end(running, time.monotonic() + self._patience.tells_after):
            say(_("What the worker is doing is brought to an end first. Ctrl-C again ends everything at once."))
            self._wait_for_the_end(running, deadline)
        for child in running:
            child.clear()
        process_state.write(self._state, {})

    def _wait_for_the_end(self, children: Collection[Child], deadline: float) -> bool:
        """Whether all of them have ended by then, or somebody does not want to wait for it."""
        while not all(child.is_over() for child in children):
            received = signal.sigtimedwait(self._watched, max(0.0, deadline - time.monotonic()))
            if received is None:
                return False
            if received.si_signo in self._ending:
                return True
        return True


def say(sentence: str) -> None:
    # The terminal may be gone; supervision goes on.
    with suppress(OSError):
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()


def _words(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"
