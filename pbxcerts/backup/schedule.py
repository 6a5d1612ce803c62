"""When backups are made by themselves, and that a short-lived process makes each (rules backup-schedule, short-lived-sender)."""

import logging
import subprocess
import sys
import threading
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import F

from certificates.pki.schedule import Schedule
from pbxcerts.backup import one_at_a_time
from pbxcerts.backup.models import BackupRun
from pbxcerts.system.models import General

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "pbxcerts", "backup", "--scheduled")
PAUSES = (timedelta(minutes=10), timedelta(hours=1))
"""After the first attempt that failed, and after each other one."""
AHEAD = timedelta(minutes=1)
"""(rule written-ahead)"""


# -- when --------------------------------------------------------------------------------------------------------------


def due_at(general: General, run: BackupRun, now: datetime) -> datetime | None:
    """When the next one is made; None where the schedule is off. The first one at once, so that whoever switches the schedule on
    sees what comes of it.
    """
    if not general.backup_enabled:
        return None
    good, tried = _past(run.good_at, now), _past(run.tried_at, now)
    if good is None:
        regular = now
    else:
        every = Schedule(general.backup_days, general.backup_time, 0, general.zone)
        regular = every.nearest(good + every.interval)
    if tried is None or not run.tries:
        return regular
    return max(regular, tried + PAUSES[min(run.tries, len(PAUSES)) - 1])


def late_since(general: General, run: BackupRun, now: datetime) -> datetime | None:
    """Since when the last good backup, or else the begin of the schedule, is older than it should be by half; None where it is not."""
    if not general.backup_enabled:
        return None
    known = [at for at in (_past(run.good_at, now), _past(run.since, now)) if at is not None]
    if not known:
        return None
    since = max(known) + 1.5 * timedelta(days=general.backup_days)
    return since if now >= since else None


def _past(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at <= now + AHEAD else None


# -- the process -------------------------------------------------------------------------------------------------------


def start_if_due(now: datetime) -> None:
    """Never raises and waits for nothing: the heartbeat goes on whatever becomes of the backup."""
    try:
        general = General.load()
        if not general.backup_enabled:
            return
        run = BackupRun.load()
        due = due_at(general, run, now)
        if due is not None and due <= now and not one_at_a_time.is_running():
            start(run, now)
    except DatabaseError:
        logger.exception("the schedule of the backups could not be read")


def start(run: BackupRun, now: datetime) -> None:
    """Start a process, unless somebody else has since `run` was read. The attempt is counted when it begins: one that is killed, or
    has not come far yet, must not be begun anew each minute. Raises DatabaseError.
    """
    as_read = BackupRun.objects.filter(tries=run.tries, tried_at=run.tried_at)
    if not as_read.update(tries=F("tries") + 1, tried_at=now, failure=""):
        return
    try:
        process = subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # So that no dead process is left behind.
        threading.Thread(target=process.wait, daemon=True, name="reaper of a backup").start()
    except (OSError, RuntimeError):
        logger.exception("the backup could not be started")
