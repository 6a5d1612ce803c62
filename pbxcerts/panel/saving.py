"""Saving System / General."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from certificates.models import Settings
from pbxcerts.backup.models import BackupRun
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General
from terminals.answer_target import NotifyServer
from terminals.directory import kept_passwords


def apply_general(changes: Mapping[str, str], *, expected_version: int, now: datetime) -> frozenset[str]:
    """As `save_general`, with parameters as they are typed. Raises InvalidValues as well."""
    return save_general(GeneralForm.read(changes, General.load()), expected_version=expected_version, now=now)


@transaction.atomic
def save_general(values: Mapping[str, Any], *, expected_version: int, now: datetime) -> frozenset[str]:
    """Save validated values; returns the names of those that changed. Raises SettingsOvertaken."""
    server = NotifyServer.now()
    changed = General.store(values, expected_version=expected_version)
    kept_passwords.follow_server(server, NotifyServer.now())
    if any(name.startswith("backup_") for name in changed):
        # What was wrong may be right now: it is tried at once.
        BackupRun.load()
        BackupRun.objects.update(tries=0, failure="", **({"since": now} if "backup_enabled" in changed else {}))
    if "time_zone" in changed:
        # What was due by the old zone waits for the next time of generation in the new one (rule due-after-change).
        Settings.objects.update(schedule_saved_at=now)
    return changed
