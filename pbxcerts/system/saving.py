"""Saving System / General."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from certificates.models import Settings
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General


def apply_general(changes: Mapping[str, str], *, expected_version: int, now: datetime) -> frozenset[str]:
    """As `save_general`, with parameters as they are typed. Raises Invalid as well."""
    return save_general(GeneralForm.read(changes, General.load()), expected_version=expected_version, now=now)


@transaction.atomic
def save_general(values: Mapping[str, Any], *, expected_version: int, now: datetime) -> frozenset[str]:
    """Save validated values; returns the names of those that changed. Raises Overtaken."""
    changed = General.store(values, expected_version=expected_version)
    if "time_zone" in changed:
        # What was due by the old zone waits for the next time of generation in the new one (DESIGN 3.1).
        Settings.objects.update(schedule_saved_at=now)
    return changed
