"""The process tree of `up`: a web process and django-q2's cluster, each in a session of its own.

    up (this)       holds the lock on the data directory and the listening sockets
    ├── web         started again when it ends
    └── worker      started again when it ends, or when the heartbeat's row stands still: a list of living processes proves
        │           nothing (pbxcerts.processes.pulse). It is django-q2's sentinel and starts the other three.
        └── worker, monitor, pusher

On any end of a child what is left of its session is killed before the next one is started. The children are forked from a
process that has loaded the product and never had a database open: they share its memory, and start at once (rule process-tree).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from django.conf import settings
from django.utils.translation import gettext as _

from pbxcerts.processes import lifeline, memory, pulse
from pbxcerts.processes.service_manager import ServiceManager
from pbxcerts.system.outage import Outage
from pbxcerts.system.run_files import FAILING_LISTENERS, FAILING_PROCESSES, FailingProcess

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
WATCHED = {*ENDING, signal.SIGCHLD}

logger = logging.getLogger("pbxcerts.up")


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
    """After so long at the end the terminal is told that something still runs and is waited for."""
    stop: int = 80
    """For the whole tree to end when told to; a little more than the cluster takes for its running task."""


class ChildProcess:
    """One process of ours, started again and again. `main` is given what it calls as soon as it does its work, and returns its
    exit code; `not_its` are descriptors it must not keep.
    """

    def __init__(
        self, name: str, main: Callable[[Callable[[], None]], int], *, not_its: Collection[int], patience: Patience
    ) -> None:
        self.name = name
        self.failures = 0
        self.last_end = ""
        self.starts_at = 0.0
        self.started_at = 0.0
        self.pid: int | None = None
        # Counts how often the process has said that it does its work since that was asked.
        self._works = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
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

    def has_said_that_it_works(self) -> bool:
        """Whether it has since this was last asked."""
        with suppress(BlockingIOError):
            return os.eventfd_read(self._works) > 0
        return False

    def _live(self, supervisor: int) -> NoReturn:
        code = 1
        try:
            os.setsid()
            lifeline.end_with(supervisor)
            lifeline.name(self.name)
            for descriptor in self._not_its:
                os.close(descriptor)
            if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            threading.excepthook = _log_the_end_of_a_thread
            code = self._main(lambda: os.eventfd_write(self._works, 1))
        except BaseException:
            # Whatever it is, the supervisor's own code must never run on in the child.
            logger.exception("The %s process ends.", self.name)
        finally:
            os._exit(code)

    def has_ended(self, now: float, why: str = "") -> None:
        """Clear away what is left of the session and plan the next start."""
        code = self.clear()
        self._plan_next_start(now, why or _words(code))

    def is_over(self) -> bool:
        """Whether the first process of the session has ended. It is not reaped here: its ID must stay taken."""
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
    """Starts both processes, or the one that is wanted here, and starts each again when it ends. `sqlite_file` is None with
    PostgreSQL; `machine`: whose row of heartbeats is looked at.

    The watchdog of `manager` is fed by this loop alone: a database that is away must not take the listeners with it
    (rule service-manager).
    """

    def __init__(
        self,
        web: ChildProcess | None,
        cluster: ChildProcess | None,
        *,
        machine: str,
        data: Path,
        sqlite_file: Path | None,
        patience: Patience,
        manager: ServiceManager,
    ) -> None:
        self._manager = manager
        self._children = [child for child in (web, cluster) if child is not None]
        self._awaited = {*self._children}
        self._machine = machine
        self._unreadable = ""
        self._outage = Outage(logger, "the database is there again")
        self._cluster = cluster
        self._sqlite_file = sqlite_file
        self._data = data
        self._patience = patience
        self._told: dict[str, FailingProcess] = {}
        self._seen: int | None = None
        self._changed_at = 0.0
        self._looked_at = 0.0
        # What the caller had ignored (nohup) stays ignored.
        self._ending = {number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
        self._watched = {*self._ending, signal.SIGCHLD}

    def run(self) -> signal.Signals:
        """Supervise until a signal comes, and return it. Then no process of the tree is left."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        memory.share()
        FAILING_PROCESSES.write(self._data, {})
        while True:
            now = time.monotonic()
            self._manager.feed_watchdog(now)
            for child in self._children:
                if child.pid is None and now >= child.starts_at:
                    child.start(now)
                    if child is self._cluster:
                        self._seen, self._changed_at = None, now
            cluster = self._cluster
            if cluster is not None and cluster.pid is not None and now - self._looked_at >= self._patience.look:
                self._looked_at = now
                if why := self._why_the_cluster_is_dead(now):
                    cluster.has_ended(now, why)
            self._tell(now)
            self._tell_manager()
            received = signal.sigtimedwait(self._watched, self._seconds_to_wait(time.monotonic()))
            if received is None:
                continue
            if received.si_signo in self._ending:
                break
            self._reap()
        self._stop()
        return signal.Signals(received.si_signo)

    def _why_the_cluster_is_dead(self, now: float) -> str:
        self._unreadable = ""
        try:
            seen = pulse.read(self._sqlite_file, self._machine)
        except pulse.NoPulseError as error:
            self._unreadable = str(error)
            if self._sqlite_file is None:
                # A server that is away: nobody can show life. What it says when it is back counts from then on.
                self._changed_at = now
                self._outage.goes_on(error, "the database is away: %s")
        else:
            self._outage.is_over()
            if seen.waiting > self._patience.backlog:
                return _("%(count)s tasks are waiting") % {"count": seen.waiting}
            if self._seen is not None and seen.beats != self._seen:
                self._changed_at = now
            self._seen = seen.beats
        silence = now - self._changed_at
        if silence < self._patience.silence:
            return ""
        return _("no heartbeat for %(seconds)s s") % {"seconds": f"{silence:.0f}"}

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
                failing[child.name] = FailingProcess(child.failures, child.last_end)
        if failing != self._told and FAILING_PROCESSES.write(self._data, failing):
            self._told = failing

    def _tell_manager(self) -> None:
        """All runs once each process has said that it does its work; one that cannot is told instead, so that nobody ends the
        other for it.
        """
        if not self._manager.is_there:
            return
        for child in {*self._awaited}:
            if child.has_said_that_it_works() or child.failures >= self._patience.tells_from:
                self._awaited.remove(child)
                if not self._awaited:
                    self._manager.ready()
        self._manager.status(self._status())

    def _status(self) -> str:
        failing = [child for child in self._children if child.pid is None]
        if failing:
            return _("The %(name)s process ended (%(end)s) and is started again.") % {
                "name": failing[0].name,
                "end": failing[0].last_end,
            }
        if self._unreadable:
            return _("The database cannot be read: %(reason)s") % {"reason": self._unreadable}
        if self._awaited:
            return _("Panel and worker are being started.")
        for listener in FAILING_LISTENERS.read(self._data).values():
            return _("Nobody can listen at %(address)s: %(reason)s") % {
                "address": listener.address,
                "reason": listener.reason,
            }
        return _("Panel and worker run.")

    def _seconds_to_wait(self, now: float) -> float:
        # Soon, until what is awaited has come.
        look = 0.2 if self._manager.is_there and self._awaited else self._patience.look
        starts = [child.starts_at - now for child in self._children if child.pid is None]
        return max(0.0, min([look, self._manager.seconds_until_feeding(now), *starts]))

    def _stop(self) -> None:
        """End every child: asked first, killed when its time is over or on a second Ctrl-C."""
        self._manager.stopping()
        running = [child for child in self._children if child.pid is not None]
        for child in running:
            os.kill(child.pid or 0, signal.SIGTERM)
        deadline = time.monotonic() + self._patience.stop
        if not self._wait_for_the_end(running, time.monotonic() + self._patience.tells_after):
            say(_("What the worker is doing is brought to an end first. Ctrl-C again ends everything at once."))
            self._wait_for_the_end(running, deadline)
        for child in running:
            child.clear()
        FAILING_PROCESSES.write(self._data, {})

    def _wait_for_the_end(self, children: Collection[ChildProcess], deadline: float) -> bool:
        """Wait until all of these have ended, a second Ctrl-C comes, or time is up; False where time is up."""
        while not all(child.is_over() for child in children):
            received = signal.sigtimedwait(self._watched, max(0.0, deadline - time.monotonic()))
            if received is None:
                return False
            if received.si_signo in self._ending:
                return True
        return True


def say(sentence: str) -> None:
    """To whoever is at the terminal; where the log is JSON, as one of its lines (rule json-lines)."""
    if settings.LOG == "json":
        logger.warning("%s", sentence)
        return
    # The terminal may be gone; supervision goes on.
    with suppress(OSError):
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()


def _log_the_end_of_a_thread(ended: threading.ExceptHookArgs) -> None:
    """Python would write the traceback itself, with any secret in it."""
    if ended.exc_value is not None:
        told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logger.error("A thread ended.", exc_info=told)


def _words(returncode: int) -> str:
    if returncode < 0:
        return signal.Signals(-returncode).name
    return _("exit code %(code)s") % {"code": returncode}
