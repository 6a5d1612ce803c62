"""Settings in one row: saved all or nothing, and never over what somebody else saved meanwhile
(rule versioned-settings).

SavingError
├── InvalidValues       values that the page would refuse; `errors` has the sentences by name
└── SettingsOvertaken   somebody else has saved since `expected_version`; `row` is as it is now
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import F

from pbxcerts.system.database.prepared import prepared

T = TypeVar("T", bound="VersionedSettings")


class SavingError(Exception):
    pass


class InvalidValues(SavingError):
    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(sentences)}" for name, sentences in errors.items()))
        self.errors = errors


class SettingsOvertaken(SavingError):
    def __init__(self, row: VersionedSettings) -> None:
        super().__init__("somebody else saved first")
        self.row = row


class VersionedSettings(models.Model):
    """The one row of a page. `version` counts saves, so that the second of two administrators is told."""

    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def load(cls) -> Self:
        return cls.found() or cls._default_manager.get_or_create()[0]

    @classmethod
    def found(cls) -> Self | None:
        """The row, where there is one already."""
        return next(iter(_asking(cls)()), None)

    def differing(self, values: Mapping[str, Any]) -> frozenset[str]:
        """The names of those `values` that do not stand here already."""
        return frozenset(name for name, value in values.items() if getattr(self, name) != value)

    @classmethod
    @transaction.atomic
    def store(cls, values: Mapping[str, Any], *, expected_version: int) -> frozenset[str]:
        """Save validated values; returns the names of those that changed. Raises SettingsOvertaken.

        Values that stand there already change nothing and overtake nobody, so a form posted twice does no harm.
        """
        changed = cls.load().differing(values)
        if changed:
            current = cls._default_manager.filter(version=expected_version)
            if not current.update(version=F("version") + 1, **{name: values[name] for name in changed}):
                raise SettingsOvertaken(cls.load())
        return changed


@cache
def _asking(page: type[T]) -> Callable[[], list[T]]:
    def row() -> models.QuerySet[T, T]:
        return page._default_manager.order_by()

    return prepared(row)
