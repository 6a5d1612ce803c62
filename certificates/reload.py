"""The seam to the communication server's reload command: an argument list from the environment, never a shell."""

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import BinaryIO

MOST_WORDS = 300


class ReloadError(Exception):
    """The command could not be started, failed, or ran out of time. The message says which, with its last words."""


def reload_server(command: Sequence[str], *, timeout: float) -> None:
    """Run the command and wait for it; with an empty command nothing happens. Seconds. Raises ReloadError."""
    if not command:
        return
    # Not a pipe: a server that the command started and that keeps its output open is neither waited for nor cut off.
    with os.fdopen(os.memfd_create("reload"), "w+b") as output:
        try:
            # A group of its own, so that what the command itself has started ends with it; in our session, so that it
            # ends with us.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0
            )
        except OSError as error:
            raise ReloadError(f"{command[0]}: {error.strerror}") from error
        with process:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise ReloadError(f"{command[0]}: not finished within {timeout:g} s. {_last_words(output)}") from None
        if process.returncode != 0:
            raise ReloadError(f"{command[0]}: exit status {process.returncode}. {_last_words(output)}")


def _last_words(output: BinaryIO) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - MOST_WORDS))
    # PostgreSQL keeps no NUL in a text.
    return output.read(MOST_WORDS).decode(errors="replace").replace("\0", "").strip()
