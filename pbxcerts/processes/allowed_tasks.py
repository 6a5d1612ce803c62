"""Only tasks of ours run. django-q2 calls whatever name stands in its table of schedules or in a queue, so whoever can write
there could run anything as the user of pbxcerts (rule allowed-tasks).
"""

import logging
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from django.db.models.signals import post_save
from django_q.models import Task
from django_q.signals import call_hook, pre_execute

logger = logging.getLogger(__name__)


class ForeignTaskError(Exception):
    pass


class _Refusal:
    """Arguments that can't be given to any function: reading them raises. So django-q2 takes the task for one that failed."""

    def __init__(self, task: str) -> None:
        self._task = task

    def __iter__(self) -> Iterator[NoReturn]:
        raise ForeignTaskError(f"{self._task} is no task of pbxcerts")


def allow_only(names: Collection[str]) -> None:
    """From now on this process, and those that it forks, run tasks of these names only, and no hook at all."""
    post_save.disconnect(call_hook, sender=Task)

    def refuse(*, task: dict[str, Any], **_others: Any) -> None:
        if task["func"] not in names:
            logger.error("A task was refused that is none of pbxcerts: %s", task["func"])
            task["args"] = _Refusal(str(task["func"]))

    pre_execute.connect(refuse, weak=False, dispatch_uid="pbxcerts.allowed_tasks")
