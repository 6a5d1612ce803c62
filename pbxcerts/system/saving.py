"""Saving System / General: all or nothing, and never over what somebody else saved meanwhile.

SavingError
├── Invalid      values that the page would refuse; `errors` has the sentences by name
└── Overtaken    somebody else has saved since `expected_version`; `general` is the row as it is now
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from certificates.models import Settings
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General

GENERAL_SETTINGS = tuple(name for name in GeneralForm.base_fields if name != "version")


class SavingError(Exception):
    pass


class Invalid(SavingError):
    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(sentences)}" for name, sentences in errors.items()))
        self.errors = errors


class Overtaken(SavingError):
    def __init__(self, general: General) -> None:
        super().__init__("somebody else saved first")
        self.general = general


def apply_general(changes: Mapping[str, str], *, expected_version: int, now: datetime) -> frozenset[str]:
    """Set parameters as they are typed, validated by the page's own form. Returns the names of those that changed."""
    unknown = changes.keys() - set(GENERAL_SETTINGS)
    if unknown:
        raise Invalid({name: [_("There is no such setting.")] for name in sorted(unknown)})
    general = General.load()
    blank = GeneralForm(general=general)
    typed = {name: blank[name].value() for name in blank.fields}
    form = GeneralForm(typed | dict(changes), general=general)
    if not form.is_valid():
        raise Invalid({name: [str(sentence) for sentence in sentences] for name, sentences in form.errors.items()})
    return save_general(form.parameters, expected_version=expected_version, now=now)


@transaction.atomic
def save_general(values: Mapping[str, Any], *, expected_version: int, now: datetime) -> frozenset[str]:
    """Save validated values; returns the names of those that changed.

    Values that stand there already change nothing and overtake nobody, so a form posted twice does no harm.
    """
    general = General.load()
    changed = frozenset(name for name, value in values.items() if getattr(general, name) != value)
    if not changed:
        return changed
    current = General.objects.filter(version=expected_version)
    if not current.update(version=F("version") + 1, **{name: values[name] for name in changed}):
        raise Overtaken(General.load())
    if "time_zone" in changed:
        # What was due by the old zone waits for the next time of generation in the new one (DESIGN 3.1).
        Settings.objects.update(schedule_saved_at=now)
    return changed
