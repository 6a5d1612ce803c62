"""The seam to the communication server's reload command: an argument list from the environment, never a shell."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from certificates.communication_server.errors import ReloadError

MOST_WORDS = 300


def reload_server(command: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None) -> None:
    """Run the reload command and wait for it, at most `timeout` seconds; then it is killed with its process group. Without
    a command nothing happens. `environment` is all that the command gets of variables; None: those of this process.
    Raises ReloadError (rule reload-command).
    """
    if not command:
        return
    # Not a pipe: a server that the command started and that keeps its output open is neither waited for nor cut off.
    with os.fdopen(os.memfd_create("reload"), "w+b") as output:
        try:
            # A session of its own: whatever ends one of ours ends everything in it, and a server that the command has
            # started must live on.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
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
