"""The short-lived process that makes a proof (rule short-lived-sender): it holds up neither the heartbeat nor a page."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from certificates.call_proof import orders
from certificates.call_proof.models import CallProof

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "pbxcerts", "prove_by_call", "--ordered")
ENDS_WITHIN = orders.WITHIN + 60
"""Seconds: what the network keeps waiting in a way that no limit of ours reaches, a look-up of a name say, ends with the process."""


def start() -> None:
    """Never raises and waits for nothing: the next heartbeat tries again."""
    try:
        process = subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # So that no dead process is left behind.
        threading.Thread(target=process.wait, daemon=True, name="reaper of a proof by call").start()
    except (OSError, RuntimeError):
        logger.exception("the proof by call could not be started")


def start_if_waiting(newest: Iterable[CallProof], now: datetime) -> None:
    """`now` is by the machine's clock."""
    if orders.waits(newest, now):
        start()


def end_in_time(seconds: float = ENDS_WITHIN, *, end: Callable[[int], object] = os._exit) -> threading.Timer:
    """From now on this process lives no longer than that."""
    timer = threading.Timer(seconds, end, [1])
    timer.daemon = True
    timer.start()
    return timer
