"""django-q2's cluster as a child of `up`.

django-q2's own command has a process that only waits for its sentinel, ends with exit code 0 when that was killed, leaves orphans
that go on working, and looks at its schedules only after 30 seconds. Here the sentinel is the process itself, whatever it
started ends with it, and a heartbeat is asked for at once.
"""

import gc
import os
import signal
import threading
import uuid

from django.db import connections
from django_q.brokers import get_broker
from django_q.cluster import Sentinel
from django_q.tasks import async_task

from pbxcerts import installation, lifeline, stopping, tasks

STOPS_WITHIN = 75
"""Seconds for the task that is running when the cluster is told to stop; a service manager commonly waits 90."""


def run(*, stops_within: int = STOPS_WITHIN) -> int:
    """Until SIGTERM; returns the exit code."""
    installation.schedule_heartbeat()
    # The queue holds no state, only requests to look at it; what a killed worker left is otherwise repeated for ever.
    get_broker().purge_queue()
    async_task(tasks.HEARTBEAT)
    connections.close_all()

    told = stopping.expected()
    sentinel = Sentinel(told, threading.Event(), uuid.uuid4(), start=False)

    def stop(_signal: int, _frame: object) -> None:
        lifeline.end_within(stops_within)
        told.set()

    signal.signal(signal.SIGTERM, stop)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    lifeline.end_forked_children_too()
    gc.freeze()
    sentinel.start()
    return 0
