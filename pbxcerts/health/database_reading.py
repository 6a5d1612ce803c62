"""What the database says when metrics are asked for: a few queries, whatever the number of terminals and generations
(rule metrics-when-asked).
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.db.models import Count, Sum
from django_q.brokers import get_broker
from django_q.models import OrmQ

from certificates.models import Generation
from certificates.pki.schedule import PairPlan
from pbxcerts.system.database.database_lock import let_go_of
from pbxcerts.system.machines.machine_key import queue_of
from pbxcerts.system.models import EventMessage, General, Heartbeat
from pbxcerts.system.notifications.models import FAILS_FROM, Delivery, Destination
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import Clock
from terminals.tally.models import InstallationTally, TerminalTally

BROKER_ANSWERS_WITHIN = 0.5
"""Seconds for a connection to Redis, and again for its answer."""
NOTHING_TO_DELIVER = "none"
"""The state of a terminal that is to get no generation now."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatabaseReading:
    """`heartbeat_age`: seconds, None before the first. `terminals`: those that are enabled, by method and state. `tasks`: in the
    queue of django-q2, None where its broker does not answer.
    """

    clock: Clock
    heartbeat_age: float | None
    generations: Mapping[str, int]
    active: PairPlan | None
    terminals: Mapping[tuple[str, str], int]
    deliveries: Mapping[str, int]
    destinations_failing: int
    open_events: Mapping[str, int]
    tasks: int | None


def read_database() -> DatabaseReading | None:
    """None where the database cannot be read. At most ten queries."""
    close_old_connections()
    try:
        general, heartbeat, reading = General.load(), Heartbeat.load(), timekeeping.read_machine()
        silence = timekeeping.since_heartbeat(heartbeat, reading)
        living = list(Generation.objects.active_or_pending().without_files().order_by())
        active = next((one for one in living if one.state == Generation.State.ACTIVE), None)
        # As the rollout has it: who is to get the prepared or held pair, else the active one.
        target = next((one for one in living if one.pending), active)
        return DatabaseReading(
            clock=timekeeping.current_clock(general=general, heartbeat=heartbeat, reading=reading),
            heartbeat_age=None if silence is None else silence.total_seconds(),
            generations=_counted(Generation.objects.all(), "state"),
            active=active.plan if active else None,
            terminals=_terminals(target),
            deliveries=_counted(Delivery.objects.all(), "state"),
            destinations_failing=Destination.objects.filter(enabled=True, failures__gte=FAILS_FROM).count(),
            open_events=_counted(EventMessage.objects.filter(cleared_at=None), "severity"),
            tasks=_tasks(),
        )
    except (DatabaseError, InterfaceError) as error:
        logger.warning("Metrics are told without the database: %s", error)
        let_go_of(error)
        return None


def _counted(rows: Any, column: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(column).annotate(count=Count("pk")))


def _terminals(target: Generation | None) -> dict[tuple[str, str], int]:
    """Of the tallies: two queries over a few rows."""
    enabled = TerminalTally.objects.filter(enabled=True).order_by()
    left = Counter(dict(enabled.values_list("type__method").annotate(terminals=Sum("count"))))
    told = InstallationTally.objects.filter(generation=target).of_enabled_terminals().order_by()
    rows = told.values_list("type__method", "state").annotate(terminals=Sum("count"))
    found = {(method, state): count for method, state, count in rows if count}
    for (method, _state), count in found.items():
        left[method] -= count
    return found | {(method, NOTHING_TO_DELIVER): count for method, count in left.items() if count}


def _tasks() -> int | None:
    if not settings.BROKER:
        return int(OrmQ.objects.filter(key=queue_of(settings.MACHINE)).count())
    # Here, not above: an installation without it has no such package.
    import redis

    try:
        return int(_redis().llen(get_broker().list_key))
    except redis.RedisError as error:
        logger.warning("The broker does not answer: %s", type(error).__name__)
        return None


@cache
def _redis() -> Any:
    # django-q2's own connection would wait for ever.
    import redis

    within = BROKER_ANSWERS_WITHIN
    return redis.Redis.from_url(settings.BROKER, socket_timeout=within, socket_connect_timeout=within)
