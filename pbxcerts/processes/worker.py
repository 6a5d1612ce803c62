"""django-q2's cluster as a child of `up`.

django-q2's own command has a process that only waits for its sentinel, ends with exit code 0 when that was killed, leaves orphans
that go on working, and looks at its schedules only after 30 seconds. Here the sentinel is the process itself, whatever it
started ends with it, and a heartbeat is asked for at once.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Collection

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils.translation import gettext as _
from django_q.brokers import get_broker
from django_q.cluster import Sentinel
from django_q.tasks import async_task

from pbxcerts import tasks
from pbxcerts.processes import allowed_tasks, broker_silence, lifeline, memory, startup, stopping, supervision
from pbxcerts.system import run_files
from pbxcerts.system.database.database_lock import is_away, let_go_of
from pbxcerts.system.machines.machine_key import queue_of
from pbxcerts.system.outage import Outage
from pbxcerts.system.wake_worker import HEARTBEAT_TASK

logger = logging.getLogger(__name__)

AGAIN_AFTER = 2.0
STOPS_WITHIN = 75
"""Seconds for the task that is running when the cluster is told to stop; a service manager commonly waits 90."""


def run(
    works: Callable[[], None], *, stops_within: int = STOPS_WITHIN, tasks_of_ours: Collection[str] = (HEARTBEAT_TASK,)
) -> int:
    """Run the worker until SIGTERM; `works` is called when it waits for tasks. Returns the exit code."""
    allowed_tasks.allow_only(tasks_of_ours)
    told = stopping.expected()

    def stop(_signal: int, _frame: object) -> None:
        lifeline.end_within(stops_within)
        told.set()

    signal.signal(signal.SIGTERM, stop)
    if not _when_the_database_is_there(told, startup.schedule_heartbeat):
        return 0
    # The queue holds no state, only requests to look at it; what a killed worker left would be repeated for ever
    # (rule orders-in-the-database).
    broker_is_there = broker_silence.answers(lambda: get_broker().purge_queue())
    run_files.tell_broker_away(settings.DATA, is_away=not broker_is_there)
    if broker_is_there:
        async_task(HEARTBEAT_TASK, cluster=queue_of(settings.MACHINE))
    connections.close_all()

    if not broker_is_there:
        supervision.say(
            _("The broker does not answer: until it does, the worker does its task once a minute in one process.")
        )
        works()
        _work_alone(told, until_there_is_a_broker=True)
    elif reason := _why_no_semaphore():
        supervision.say(
            _(
                "In /dev/shm no semaphore can be made (%(reason)s), and django-q2 needs some: the worker does its task in one "
                "process without it."
            )
            % {"reason": reason}
        )
        works()
        _work_alone(told)
    else:
        _run_cluster(told, stop, works)
    return 0


def _run_cluster(told: stopping.StopOrder, stop: Callable[[int, object], None], works: Callable[[], None]) -> None:
    sigint_was_ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    sentinel = Sentinel(broker_silence.ToldOrSilent(told, stop), threading.Event(), uuid.uuid4(), start=False)
    signal.signal(signal.SIGTERM, stop)
    if not sigint_was_ignored:
        # django-q2 ignores it, and what is ignored is ignored by every program that is started, such as a server by the
        # reload command. What is caught is not.
        signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    lifeline.end_forked_children_too()
    memory.share()
    works()
    sentinel.start()


def _when_the_database_is_there(told: stopping.StopOrder, do: Callable[[], None]) -> bool:
    """Do it as soon as the database lets us: a process that ended for want of it would be started again and again. False where this
    process was told to stop before.
    """
    outage = Outage(logger, "the database is there again")
    while True:
        try:
            do()
        except (InterfaceError, OperationalError) as error:
            if not is_away(error):
                raise
            outage.goes_on(error, "the database is away: %s")
            let_go_of(error)
            connections.close_all()
        else:
            outage.is_over()
            return True
        if told.wait(AGAIN_AFTER):
            return False


def _why_no_semaphore() -> str:
    """Why the system can make no semaphore (sem_overview(7): /dev/shm is missing, read-only or full); "" where it can."""
    try:
        multiprocessing.get_context("fork").Lock()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _work_alone(told: stopping.StopOrder, *, until_there_is_a_broker: bool = False) -> None:
    """Do in this process what django-q2 does in four: a heartbeat each minute, and one as soon as somebody asks for it. One that
    hangs is ended by the supervisor (rules proof-of-life, poor-surroundings).
    """
    due = time.monotonic()
    while not told.is_set():
        close_old_connections()
        asked = False
        if not until_there_is_a_broker:
            asked = _is_asked()
        elif broker_silence.answers(broker_silence.ping):
            # The process that is started next has it.
            return
        else:
            told.wait(AGAIN_AFTER)
        if asked or time.monotonic() >= due:
            due = time.monotonic() + 60
            try:
                tasks.heartbeat()
            except Exception:
                # As in django-q2 a task that fails ends nothing.
                logger.exception("The heartbeat failed.")


def _is_asked() -> bool:
    """Whether somebody has asked for a heartbeat; where nobody has, this waits for a second."""
    broker = get_broker()
    try:
        asked = broker.dequeue() or []
        for request, _task in asked:
            broker.acknowledge(request)
    except (InterfaceError, OperationalError) as error:
        # The heartbeat says it.
        let_go_of(error)
        time.sleep(1)
        return False
    return bool(asked)
