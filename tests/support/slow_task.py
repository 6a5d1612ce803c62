"""A task for the real cluster that takes as long as a test wants, and says when it began and when it ended properly."""

import os
import subprocess
import time
from pathlib import Path

from certificates.status.observing import communication_server


def work(directory, seconds):
    (Path(directory) / "began").write_text(str(os.getpid()))
    time.sleep(seconds)
    (Path(directory) / "ended").touch()


def work_with_a_command(directory, seconds):
    """A command in a process group of its own belongs to us all the same."""
    with subprocess.Popen(["sleep", str(seconds)], process_group=0):
        work(directory, seconds)


def work_after_a_reload(directory, seconds):
    """As a switch: the reload command has run, and the look at the server takes its time."""
    assert communication_server().reload() == ""
    work(directory, seconds)
