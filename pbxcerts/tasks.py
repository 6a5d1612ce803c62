"""What django-q2 calls, by name."""

import logging

from django.db import InterfaceError, OperationalError

from pbxcerts.backup import schedule
from pbxcerts.heartbeat import beat
from pbxcerts.system.database.database_lock import is_away, let_go_of
from pbxcerts.system.notifications import sending, watchdog
from pbxcerts.system.outage import Outage
from pbxcerts.system.time.timekeeping import read_machine

outage = Outage(logging.getLogger("pbxcerts.worker"), "heartbeats go on: the database is there again")


def heartbeat() -> None:
    """One heartbeat. While the database is away there is none, which is said on change (rule said-on-change)."""
    try:
        _one_round()
    except (InterfaceError, OperationalError) as error:
        if not is_away(error):
            raise
        outage.goes_on(error, "no heartbeat, as the database is away: %s")
        let_go_of(error)
    else:
        outage.is_over()


def _one_round() -> None:
    """One round of reconciling (rule reconcile); then the sender and a backup are started where they are due, and the watchdog
    outside hears how it went (rules short-lived-sender, backup-schedule, watchdog). The last two are the affair of the machine that
    publishes.
    """
    publishes = True
    try:
        outcome = beat()
        publishes = not outcome.is_elsewhere
    except Exception:
        watchdog.call(failed=True)
        raise
    finally:
        reading = read_machine()
        sending.start_if_due(reading)
        if publishes:
            schedule.start_if_due(reading.wall)
    if publishes:
        watchdog.call(failed=bool(outcome.publish_failure))
