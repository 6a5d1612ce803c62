"""Wake the worker: what a person ordered is carried out in seconds and not only with the next heartbeat."""

import logging

from django.conf import settings
from django_q.tasks import async_task

from pbxcerts.system.machines.machine_key import queue_of
from pbxcerts.system.run_files import OTHER_MACHINES

logger = logging.getLogger(__name__)

HEARTBEAT_TASK = "pbxcerts.tasks.heartbeat"
"""By this name it stands in queues and schedules of old installations too."""


def wake_worker() -> None:
    """Ask the machine that publishes for a heartbeat now. Never raises: if the broker is away, the next heartbeat carries out
    what was ordered.
    """
    try:
        publisher = next((key for key, one in OTHER_MACHINES.read(settings.DATA).items() if one.publishes), None)
        async_task(HEARTBEAT_TASK, cluster=queue_of(publisher or settings.MACHINE))
    except Exception:
        logger.exception("the worker could not be woken")
