"""django-q2's cluster as a child of `up`: `python -m pbxcerts.cluster PARENT`.

django-q2's own command ends with exit code 0 when its sentinel was killed, leaves orphans that go on working, and looks at its
schedules only after 30 seconds. Here a cluster that was not told to stop has failed, nothing outlives what started it, and a
heartbeat is asked for at once.
"""

import gc
import os
import signal
import sys
from types import FrameType

from pbxcerts import lifeline

STOPS_WITHIN = 75
"""Seconds for the task that is running when the cluster is told to stop; a service manager commonly waits 90."""


def main(arguments: list[str], *, stops_within: int = STOPS_WITHIN) -> int:
    lifeline.end_with(int(arguments[0]))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbxcerts.settings")
    import django

    django.setup()
    from django.db import connections
    from django_q.brokers import get_broker
    from django_q.cluster import Cluster
    from django_q.tasks import async_task

    from pbxcerts import installation, tasks

    installation.schedule_heartbeat()
    # The queue holds no state, only requests to look at it; what a killed worker left is otherwise repeated for ever.
    get_broker().purge_queue()
    async_task(tasks.HEARTBEAT)
    connections.close_all()

    cluster = Cluster()
    told_to_stop = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told_to_stop
        if told_to_stop:
            return
        told_to_stop = True
        if cluster.sentinel is None:
            sys.exit(0)
        lifeline.end_within(stops_within)
        cluster.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline.end_forked_children_too()
    # Five processes share what is loaded by now as long as none of them writes to it.
    gc.collect()
    gc.freeze()
    cluster.start()
    cluster.sentinel.join()
    return 0 if told_to_stop else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
