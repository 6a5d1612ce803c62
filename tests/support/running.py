"""The process tree of `up` as a test sees it from outside: who belongs to it, what it works on, how it ends."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from pbxcerts.processes import pulse
from pbxcerts.system.machines import machine_key
from tests.support.forked import hear_signals
from tests.support.product import ROOT, Product

IMPATIENT_UP = Path(__file__).with_name("impatient_up.py")
MANAGE = ROOT / "manage.py"


def wait_for(question, *, seconds=60, what=""):
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what or question}")


class Tree(Product):
    """One `up` and all that it starts. Every process is known by the data directory, whoever its parent is by now: ours by their
    arguments, as nobody may read the environment of a process that leaves no core dump, and others by their environment.
    """

    def __exit__(self, *error):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def start(self, *options, program=IMPATIENT_UP, before=(), **changes):
        """Start it on a port that the kernel chooses, and wait for its greeting and its first answer."""
        self.launch("--bind", "127.0.0.1:0", *options, program=program, before=before, **changes)
        wait_for(lambda: self.still_runs() and "http://" in self.log.read_text(), what="a greeting")
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", self.log.read_text())[1])
        answer = self.get("/login/")
        assert answer.status == 200, (answer.status, self.log.read_text())
        return self

    def launch(self, *options, program=IMPATIENT_UP, before=(), **changes):
        arguments = ["--data", str(self.data), *options]
        if program == MANAGE:
            arguments.insert(0, "up")
        with self.log.open("wb") as log:
            self.process = self.popen(
                [*before, sys.executable, str(program), *arguments],
                cwd=ROOT,
                env=self.environment | {"PYTHONPATH": str(ROOT)} | changes,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=hear_signals,
            )

    def get(self, path, *, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def answers(self):
        with suppress(OSError, http.client.HTTPException):
            return self.get("/login/", timeout=5).status == 200
        return False

    def processes(self):
        """The living processes of this tree, the test's own helpers left out."""
        marks = {f"PBXCERTS_DATA={self.data}".encode(), str(self.data).encode()}
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    known_by = (entry / "cmdline").read_bytes().split(b"\0")
                    with suppress(PermissionError):
                        known_by += (entry / "environ").read_bytes().split(b"\0")
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                    if marks & {*known_by} and state not in "ZX":
                        found.append(int(entry.name))
        return found

    def children(self, parent):
        """In the order in which they were started."""
        found = []
        for pid in self.processes():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append((int(fields[19]), pid))
        return [pid for _started, pid in sorted(found)]

    def child(self, name):
        """The process below `up` that lists of processes call so."""
        for pid in self.children(self.process.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == f"pbxcerts-{name}":
                    return pid
        return None

    @property
    def web(self):
        return wait_for(lambda: self.child("web"))

    @property
    def cluster(self):
        """The process that is django-q2's sentinel, once its own three are there."""
        return wait_for(lambda: (pid := self.child("worker")) and len(self.children(pid)) == 3 and pid)

    def worker_monitor_pusher(self):
        return self.children(self.cluster)

    def beats(self):
        with suppress(pulse.NoPulseError):
            return pulse.read(self.data / "pbxcerts.sqlite3", machine_key.read(self.data)).beats
        return 0

    def wait_for_a_heartbeat(self, *, seconds=60):
        before = self.beats()
        wait_for(lambda: self.beats() > before, seconds=seconds, what="a heartbeat")

    def ends_without_a_trace(self, *, seconds=30):
        wait_for(lambda: not self.processes(), seconds=seconds, what="no process left")

    @contextmanager
    def asking(self):
        """Gives a function that puts a task in the queue of the real cluster: `ask("a.function", argument, ...)`."""
        code = (
            "import django, json, sys; django.setup()\n"
            "from django_q.tasks import async_task\n"
            "for line in sys.stdin: async_task(*json.loads(line)); print(flush=True)"
        )
        helper = self.popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

        def ask(*task):
            helper.stdin.write(json.dumps(task) + "\n")
            helper.stdin.flush()
            helper.stdout.readline()

        try:
            yield ask
        finally:
            helper.kill()
            helper.communicate()

    @contextmanager
    def again_and_again(self, step, *, every):
        """`step(ask, enough)` beside what the test does, so many seconds after the one before; `enough` is set when it is to end."""
        enough = threading.Event()
        with self.asking() as ask:

            def go_on():
                while not enough.wait(every):
                    step(ask, enough)

            thread = threading.Thread(target=go_on)
            thread.start()
            try:
                yield
            finally:
                enough.set()
                thread.join()

    def asking_for_heartbeats(self):
        """One a second instead of one a minute, so that silence means something in a shorter time."""
        return self.again_and_again(lambda ask, _enough: ask("pbxcerts.tasks.heartbeat"), every=1)

    @contextmanager
    def working_for(self, seconds, task="work"):
        """A task of so many seconds is running in the worker; gives the worker's process ID."""
        with self.asking() as ask:
            ask(f"tests.support.slow_task.{task}", str(self.data), seconds)
        began = self.data / "began"
        yield int(wait_for(lambda: began.exists() and began.read_text(), what="the task's begin"))

    @property
    def task_ended_properly(self):
        return (self.data / "ended").exists()


class TreeFromItsBeginning(Tree):
    """For what is about the start itself."""

    popen = subprocess.Popen
