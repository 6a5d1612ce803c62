"""The seam to the communication server's reload command: an argument list from the environment, never a shell."""

import os
import signal
import subprocess
from collections.abc import Sequence


class ReloadError(Exception):
    """The command could not be started, failed, or ran out of time. The message says which, with its last words."""


def reload_server(command: Sequence[str], *, timeout: float) -> None:
    """Run the command and wait for it; with an empty command nothing happens. Seconds. Raises ReloadError."""
    if not command:
        return
    try:
        # A session of its own, so that what the command itself has started ends with it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ReloadError(f"{command[0]}: {error.strerror}") from error
    with process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise ReloadError(f"{command[0]}: not finished within {timeout:g} s") from None
    if process.returncode != 0:
        last_words = output.decode(errors="replace").strip()[-300:]
        raise ReloadError(f"{command[0]}: exit status {process.returncode}. {last_words}".strip())
