"""What django-q2 calls, by name."""

from pbxcerts.backup import schedule
from pbxcerts.heartbeat import beat
from pbxcerts.system.notifications import sending, watchdog
from pbxcerts.system.timekeeping import read_machine


def heartbeat() -> None:
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
