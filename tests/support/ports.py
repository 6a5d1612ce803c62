"""Ports for programs that have to be told theirs before they open it."""

import os
import re
import socket
from itertools import count

FIRST, BEYOND = 10_000, 32_000
"""Below the ports that the system gives to outgoing connections: one of those may be taken before the program opens it."""
MOST_WORKERS = 16

_worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % MOST_WORKERS
# Processes of one run never share a port; where other runs go on beside it they begin at another one.
_numbers = count(os.getpid() * 7)


def free_port():
    """One that nobody has, over TCP or UDP, and that is not given out again soon."""
    while True:
        port = FIRST + (next(_numbers) * MOST_WORKERS + _worker) % (BEYOND - FIRST)
        if _is_free(port):
            return port


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True
