"""Wake the worker: what a person ordered is carried out in seconds and not only with the next heartbeat."""

import logging

from django_q.tasks import async_task

logger = logging.getLogger(__name__)

HEARTBEAT_TASK = "pbxcerts.tasks.heartbeat"
"""By this name it stands in queues and schedules of old installations too."""


def wake_worker() -> None:
    """Ask for a heartbeat now. Never raises: if the broker is away, the next heartbeat carries out what was ordered."""
    try:
        async_task(HEARTBEAT_TASK)
    except Exception:
        logger.exception("the worker could not be woken")
