"""What grows and is of no more use, removed in the first round of an hour (rules condensed, sessions)."""

import logging
from datetime import datetime, timedelta

from django_q.models import Task

from certificates.renewal.situation import Situation
from pbxcerts.system.users import sessions
from terminals.past.condensing import condense

logger = logging.getLogger(__name__)

TASKS_ARE_KEPT = timedelta(days=90)


def keep_house(situation: Situation, *, last: datetime | None) -> None:
    """`last`: when the round before was. With nothing to remove three queries an hour. Raises nothing."""
    now = situation.clock.machine
    if not sessions.is_first_of_an_hour(last=last, now=now):
        return
    try:
        _tidy_up(situation, now)
    except Exception:
        # The rollout and the proof of life come after it; there is time in the next hour.
        logger.exception("what is of no more use could not be removed")


def _tidy_up(situation: Situation, now: datetime) -> None:
    condense(situation)
    # The worker keeps tasks that failed. One of a time that lies ahead was written by a wrong clock (rule written-ahead).
    Task.objects.exclude(started__range=(now - TASKS_ARE_KEPT, now + timedelta(days=1))).delete()
