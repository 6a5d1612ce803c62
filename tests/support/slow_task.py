"""A task for the real cluster that takes as long as a test wants, and says when it began and when it ended properly."""

import os
import subprocess
import time
from pathlib import Path


def work(directory, seconds):
    (Path(directory) / "began").write_text(str(os.getpid()))
    time.sleep(seconds)
    (Path(directory) / "ended").touch()


def work_with_a_command(directory, seconds):
    """As a reload command runs: in a process group of its own."""
    with subprocess.Popen(["sleep", str(seconds)], process_group=0):
        work(directory, seconds)
