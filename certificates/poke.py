"""Wake the worker: what a person ordered is carried out in seconds and not only with the next heartbeat."""

import logging

from django_q.tasks import async_task

logger = logging.getLogger(__name__)

HEARTBEAT = "pbxcerts.tasks.heartbeat"


def poke() -> None:
    """The order stands in the database already; where the broker is away, the next heartbeat carries it out."""
    try:
        async_task(HEARTBEAT)
    except Exception:
        logger.exception("the worker could not be woken")
