"""The process tree of `up`: a web process and django-q2's cluster, each in a session of its own.

    up (this)            holds the lock on the data directory and the listening sockets; no Django, no database connection
    ├── pbxcerts.web     started again when it ends
    └── pbxcerts.cluster started again when it ends, or when the heartbeat's row stands still: a list of living processes
        │                proves nothing (pbxcerts.pulse). It is django-q2's sentinel and starts the other three.
        └── worker, monitor, pusher

On any end of a child what is left of its session is killed before the next one is started. `up` prepares the installation
with Django and then becomes this module by exec: `python -m pbxcerts.supervision PLAN`, where PLAN is JSON (`Plan`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pbxcerts import lifeline, process_state, pulse

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
WATCHED = {*ENDING, signal.SIGCHLD}


@dataclass(frozen=True)
class Plan:
    """What `up` hands over. The descriptors are open and inherited."""

    data: str
    sqlite_file: str | None
    lock: int
    plain: int
    https: int | None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


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
    stop: int = 80
    """For the whole tree to end when told to; a little more than the cluster takes for its running task."""


class Child:
    """One process of ours, started again and again."""

    def __init__(self, name: str, module: list[str], *, descriptors: tuple[int, ...], patience: Patience) -> None:
        self.name = name
        self.failures = 0
        self.last_end = ""
        self.starts_at = 0.0
        self.started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._module = module
        self._descriptors = descriptors
        self._patience = patience

    def start(self, now: float) -> None:
        # The child ties its lifeline itself: what subprocess can be told to call between fork and exec may deadlock.
        try:
            self.process = subprocess.Popen(
                [sys.executable, *self._module],
                start_new_session=True,
                pass_fds=self._descriptors,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            self._plan_next_start(now, str(error.strerror))
        self.started_at = now

    def has_ended(self, now: float, why: str = "") -> None:
        """Clear away what is left of the session and plan the next start."""
        assert self.process is not None  # noqa: S101 - only a started child ends
        lifeline.kill_session(self.process.pid)
        returncode = self.process.wait()
        self.process = None
        self._plan_next_start(now, why or _words(returncode))

    def _plan_next_start(self, now: float, why: str) -> None:
        self.last_end = why
        self.failures += 1
        doublings = min(self.failures - 1, 16)
        delay = min(self._patience.first_delay * 2**doublings, self._patience.longest_delay)
        self.starts_at = now + delay
        say(f"The {self.name} process ended ({self.last_end}). It is started again in {delay:g} s.")

    def has_proved_itself(self, now: float) -> bool:
        return self.process is not None and now - self.started_at >= self._patience.proof


class Supervisor:
    def __init__(self, plan: Plan, patience: Patience, *, web: list[str], cluster: list[str]) -> None:
        self._patience = patience
        self._sqlite_file = Path(plan.sqlite_file) if plan.sqlite_file else None
        self._state = process_state.file(Path(plan.data))
        listeners = (plan.plain,) if plan.https is None else (plan.plain, plan.https)
        self._web = Child(
            "web", [*web, str(os.getpid()), *map(str, listeners)], descriptors=listeners, patience=patience
        )
        self._cluster = Child("worker", [*cluster, str(os.getpid())], descriptors=(), patience=patience)
        self._children = [self._web, self._cluster]
        self._told: dict[str, process_state.Failing] = {}
        self._seen: int | None = None
        self._changed_at = 0.0
        self._looked_at = 0.0
        # What the caller had ignored (nohup) stays ignored.
        self._ending = {number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
        self._watched = {*self._ending, signal.SIGCHLD}

    def run(self) -> None:
        """Until a signal ends it; then nothing of the tree is left."""
        process_state.write(self._state, {})
        while True:
            now = time.monotonic()
            for child in self._children:
                if child.process is None and now >= child.starts_at:
                    child.start(now)
                    if child is self._cluster:
                        self._seen, self._changed_at = None, now
            if self._cluster.process is not None and now - self._looked_at >= self._patience.look:
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
                    if child.process is not None and child.process.pid == ended.si_pid:
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
        starts = [child.starts_at - now for child in self._children if child.process is None]
        return max(0.0, min([self._patience.look, *starts]))

    def _stop(self) -> None:
        """End every child: asked first, killed when its time is over or on a second Ctrl-C."""
        running = [child for child in self._children if child.process is not None]
        for child in running:
            assert child.process is not None  # noqa: S101 - just chosen so
            child.process.terminate()
        deadline = time.monotonic() + self._patience.stop
        while any(child.process is not None and child.process.poll() is None for child in running):
            received = signal.sigtimedwait(self._watched, max(0.0, deadline - time.monotonic()))
            if received is None or received.si_signo in self._ending:
                break
        for child in running:
            assert child.process is not None  # noqa: S101 - see above
            lifeline.kill_session(child.process.pid)
            child.process.wait()
        process_state.write(self._state, {})


def say(sentence: str) -> None:
    # The terminal may be gone; supervision goes on.
    with suppress(OSError):
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()


def _words(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"


WEB = ["-P", "-m", "pbxcerts.web"]
CLUSTER = ["-P", "-m", "pbxcerts.cluster"]


def main(
    arguments: list[str], *, patience: Patience = Patience(), web: list[str] = WEB, cluster: list[str] = CLUSTER
) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    plan = Plan(**json.loads(arguments[0]))
    # The lock is ours alone: it must be free as soon as this process has ended.
    os.set_inheritable(plan.lock, False)  # noqa: FBT003 - takes no keywords
    Supervisor(plan, patience, web=web, cluster=cluster).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
