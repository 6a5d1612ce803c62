"""django-q2's cluster as a child of `up`.

django-q2's own command has a process that only waits for its sentinel, ends with exit code 0 when that was killed, leaves orphans
that go on working, and looks at its schedules only after 30 seconds. Here the sentinel is the process itself, whatever it
started ends with it, and a heartbeat is asked for at once.
"""

import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Collection

from django.conf import settings
from django.db import close_old_connections, connections
from django.utils.translation import gettext as _
from django_q.brokers import get_broker
from django_q.cluster import Sentinel
from django_q.tasks import async_task

from pbxcerts import tasks
from pbxcerts.processes import allowed_tasks, lifeline, startup, stopping, supervision
from pbxcerts.system.machine_key import queue_of
from pbxcerts.system.wake_worker import HEARTBEAT_TASK

logger = logging.getLogger(__name__)

STOPS_WITHIN = 75
"""Seconds for the task that is running when the cluster is told to stop; a service manager commonly waits 90."""


def run(
    works: Callable[[], None], *, stops_within: int = STOPS_WITHIN, tasks_of_ours: Collection[str] = (HEARTBEAT_TASK,)
) -> int:
    """Run the worker until SIGTERM; `works` is called when it waits for tasks. Returns the exit code."""
    allowed_tasks.allow_only(tasks_of_ours)
    startup.schedule_heartbeat()
    # The queue holds no state, only requests to look at it; what a killed worker left would be repeated for ever
    # (rule orders-in-the-database).
    get_broker().purge_queue()
    async_task(HEARTBEAT_TASK, cluster=queue_of(settings.MACHINE))
    connections.close_all()

    told = stopping.expected()

    def stop(_signal: int, _frame: object) -> None:
        lifeline.end_within(stops_within)
        told.set()

    if reason := _why_no_semaphore():
        supervision.say(
            _(
                "In /dev/shm no semaphore can be made (%(reason)s), and django-q2 needs some: the worker does its task in one "
                "process without it."
            )
            % {"reason": reason}
        )
        signal.signal(signal.SIGTERM, stop)
        works()
        _work_alone(told)
    else:
        _run_cluster(told, stop, works)
    return 0


def _run_cluster(told: stopping.StopOrder, stop: Callable[[int, object], None], works: Callable[[], None]) -> None:
    sigint_was_ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    sentinel = Sentinel(told, threading.Event(), uuid.uuid4(), start=False)
    signal.signal(signal.SIGTERM, stop)
    if not sigint_was_ignored:
        # django-q2 ignores it, and what is ignored is ignored by every program that is started, such as a server by the
        # reload command. What is caught is not.
        signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    lifeline.end_forked_children_too()
    gc.freeze()
    works()
    sentinel.start()


def _why_no_semaphore() -> str:
    """Why the system can make no semaphore (sem_overview(7): /dev/shm is missing, read-only or full); "" where it can."""
    try:
        multiprocessing.get_context("fork").Lock()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _work_alone(told: stopping.StopOrder) -> None:
    """Do in this process what django-q2 does in four: a heartbeat each minute, and one as soon as somebody asks for it. One that
    hangs is ended by the supervisor (rules proof-of-life, poor-surroundings).
    """
    broker = get_broker()
    due = time.monotonic()
    while not told.is_set():
        close_old_connections()
        # Where nothing is asked for this waits for a second.
        asked = broker.dequeue() or []
        for request, _task in asked:
            broker.acknowledge(request)
        if asked or time.monotonic() >= due:
            due = time.monotonic() + 60
            try:
                tasks.heartbeat()
            except Exception:
                # As in django-q2 a task that fails ends nothing.
                logger.exception("The heartbeat failed.")
