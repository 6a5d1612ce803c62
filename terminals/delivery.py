"""Saving how the rollout goes: never over what somebody else saved meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F

from terminals.models import DeliverySettings


class Overtaken(Exception):
    """Somebody else has saved since `expected_version`; `settings` is the row as it is now."""

    def __init__(self, settings: DeliverySettings) -> None:
        super().__init__("somebody else saved first")
        self.settings = settings


@transaction.atomic
def save(values: Mapping[str, Any], *, expected_version: int) -> frozenset[str]:
    """Save validated values; returns the names of those that changed. Raises Overtaken.

    Values that stand there already change nothing and overtake nobody, so a form posted twice does no harm.
    """
    settings = DeliverySettings.load()
    changed = frozenset(name for name, value in values.items() if getattr(settings, name) != value)
    if not changed:
        return changed
    current = DeliverySettings.objects.filter(version=expected_version)
    if not current.update(version=F("version") + 1, **{name: values[name] for name in changed}):
        raise Overtaken(DeliverySettings.load())
    return changed
