"""What django-q2 calls, by name."""

from pbxcerts.backup import schedule
from pbxcerts.heartbeat import beat
from pbxcerts.system.notifications import sending, watchdog
from pbxcerts.system.timekeeping import read_machine


def heartbeat() -> None:
    """One round of reconciling (rule reconcile); then the sender and a backup are started where they are due, and the watchdog
    outside hears how it went (rules short-lived-sender, backup-schedule, watchdog).
    """
    try:
        outcome = beat()
    except Exception:
        watchdog.call(failed=True)
        raise
    finally:
        reading = read_machine()
        sending.start_if_due(reading)
        schedule.start_if_due(reading.wall)
    watchdog.call(failed=bool(outcome.publish_failure))
