"""What a communication server and a telephone have in common as programs: started, watched by their log, ended."""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.support import debian13

# Generous: on a loaded machine a program may take long, and a test that succeeds never waits for it.
DEADLINE = 60
# Of a log, in characters.
LAST_WORDS = 4000
# Users that every Debian has; neither is ours, and they share no group.
SERVER_USER = SERVER_GROUP = "daemon"
TELEPHONE_USER, TELEPHONE_GROUP = "nobody", "nogroup"


def eventually(condition, *, what):
    """The first true value of `condition`; fails with `what()` when there is none in time."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(what()[-LAST_WORDS:])
        time.sleep(0.02)
    return value


class Program:
    """A program of Debian 13 with a directory that is its user's and holds its log.

    It never restarts by itself; what does says so with other values of `is_restarting` and `restarts`.
    """

    is_restarting = False
    restarts = 0

    def __init__(self, directory, *, user, group):
        self.directory = Path(directory)
        self.user, self.group = user, group
        self.process = None
        self.log_file = self.output_file = self.directory / "output"
        self.trust_file = self.directory / "trust.pem"
        self.directory.mkdir()

    def run(self, program, *arguments, hosts=""):
        for place in (self.directory, *self.directory.rglob("*")):
            shutil.chown(place, self.user, self.group)
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                debian13.command(program, *arguments, user=self.user, group=self.group, hosts=hosts),
                env={
                    # What it leaves for its next start is left in its own directory.
                    **dict.fromkeys(["HOME", "TMPDIR"], str(self.directory)),
                    "PATH": os.environ["PATH"],
                    "LC_ALL": "C.UTF-8",
                },
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self):
        """End the program and all that it has started, once."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start_again(self, trust=None):
        """With what it has, or with another trust file; its log begins anew."""
        self.stop()
        if trust is not None:
            self.trust_file.write_bytes(trust)
        self.log_file.unlink(missing_ok=True)
        return self.__enter__()

    def log(self):
        files = dict.fromkeys([self.output_file, self.log_file])
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def wait_for(self, pattern):
        """The first match in the log, which may come now or later."""

        def found():
            ended = self.process.poll() is not None
            if match := re.search(pattern, self.log()):
                return match
            if ended:
                raise AssertionError(f"{self!r} has ended without {pattern!r}:\n{self.log()}")
            return None

        return eventually(found, what=lambda: f"{self!r} has not logged {pattern!r}:\n{self.log()}")

    def __repr__(self):
        return f"{type(self).__name__} in {self.directory.name}"
