"""System / General: how it goes with the scheduled backups, and one at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from pbxcerts.backup import one_at_a_time, schedule
from pbxcerts.backup.models import BackupRun
from pbxcerts.backup.warnings import backup_warnings
from pbxcerts.system.events import Notice
from pbxcerts.system.models import General, Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import needs

BEGINS_WITHIN = timedelta(minutes=1)
"""So long after it was started nobody says of a backup that it did not come to its end."""


@dataclass(frozen=True)
class BackupState:
    run: BackupRun
    is_running: bool
    due_at: datetime | None
    place: Path | None
    warnings: list[Notice]


def state(general: General, now: datetime) -> BackupState | None:
    """None where no backups are made by themselves."""
    if not general.backup_enabled:
        return None
    run = BackupRun.load()
    has_just_begun = bool(run.tries and run.tried_at and abs(now - run.tried_at) < BEGINS_WITHIN and not run.failure)
    return BackupState(
        run,
        has_just_begun or one_at_a_time.is_running(),
        schedule.due_at(general, run, now),
        settings.BACKUPS,
        list(backup_warnings(general, now)),
    )


@needs(Role.ADMINISTER)
@require_POST
def backup_now(request: HttpRequest) -> HttpResponse:
    """Start one; the page shows what comes of it."""
    if not general_of(request).backup_enabled:
        messages.error(request, _("Switch the backups on first."))
    elif one_at_a_time.is_running():
        messages.info(request, _("A backup is being made."))
    else:
        schedule.start(BackupRun.load(), timekeeping.machine_time())
        messages.success(request, _("The backup has been started. Open this page again in a moment."))
    return redirect("system:general")
