"""What is wrong with the scheduled backups: event messages, and what the page of System / General says (rule event-messages)."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from pbxcerts.backup import schedule
from pbxcerts.backup.models import BackupRun
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import General, Severity

HINT = _("System / General says why the last attempt failed, and makes a backup at once.")
NOT_MADE = _("The directory of the backups is missing, full or not writable, or pbxcerts did not run at that time.")
LATE = EventKind(
    "backup_late",
    Severity.SERIOUS,
    _("The last good backup is of %(good_at)s: that is older by half than it should be."),
    cleared=_("There is a new backup, or none is to be made by itself any more."),
    hint=HINT,
    cause=NOT_MADE,
    consequence=_("None for calls. If the machine is lost, so is all that was changed since the last good backup."),
    instants=("good_at",),
)
NONE_YET = EventKind(
    "backup_missing",
    Severity.SERIOUS,
    _("There is no good backup yet, although one should have been made long ago."),
    cleared=_("There is a backup, or none is to be made by itself any more."),
    hint=HINT,
    cause=NOT_MADE,
    consequence=_(
        "None for calls. If the machine is lost, all is: every terminal needs new certificates by hand then."
    ),
)
WITH_DATA = EventKind(
    "backup_beside_data",
    Severity.NORMAL,
    _("The backups lie on the file system of the data directory and would be lost together with it."),
    cleared=_(
        "The backups lie on another file system than the data directory, or none are made by themselves any more."
    ),
    hint=_("Name a directory on another machine's disk in PBXCERTS_BACKUPS, or copy the backups elsewhere."),
    cause=_("PBXCERTS_BACKUPS names a directory on the same file system, or none."),
    consequence=_("None for calls. When the disk fails, data and backups are lost together."),
)


def backup_warnings(general: General, now: datetime) -> Iterator[Notice]:
    """Costs no query while none are to be made."""
    if not general.backup_enabled:
        return
    run = BackupRun.load()
    if schedule.late_since(general, run, now) is not None:
        if run.good_at is not None:
            yield Notice(LATE, params={"good_at": run.good_at.isoformat()})
        else:
            yield Notice(NONE_YET)
    if run.beside_data:
        yield Notice(WITH_DATA)
