"""The form of a row of settings: it keeps what was typed and shows what somebody else stored meanwhile."""

import copy
from collections.abc import Collection, Mapping
from datetime import time
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from pbxcerts.system.database.versioned import InvalidValues, VersionedSettings
from pbxcerts.system.forms.entries import SeenField
from pbxcerts.system.pages.form_layout import ParameterForm

LONGEST_TOLD = 60
"""Characters of a value in the sentence that says what was applied: a list may have fifty names."""


class VersionedForm(ParameterForm, forms.Form):
    """`row` is the row as it is stored; the field `version` says which state of it was on the screen. `secrets` are
    never shown.
    """

    secrets: ClassVar[frozenset[str]] = frozenset()

    version = SeenField()

    def __init__(self, data: Any = None, *, row: VersionedSettings) -> None:
        initial = {name: getattr(row, name) for name in self.base_fields if name not in self.secrets}
        super().__init__(data, initial=initial)
        self._stored = row

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the parameters, in their order; a secret is none."""
        return tuple(name for name in cls.base_fields if name not in {"version", *cls.secrets})

    @classmethod
    def read(cls, changes: Mapping[str, str], row: VersionedSettings) -> dict[str, Any]:
        """Judge `changes` together with the parameters that stay, and return all parameters. Raises InvalidValues."""
        unknown = changes.keys() - set(cls.names())
        if unknown:
            raise InvalidValues({name: [_("There is no such setting.")] for name in sorted(unknown)})
        blank = cls(row=row)
        typed = {name: blank[name].value() for name in blank.fields}
        form = cls(typed | dict(changes), row=row)
        if not form.is_valid():
            raise InvalidValues(
                {name: [str(sentence) for sentence in sentences] for name, sentences in form.errors.items()}
            )
        return form.parameters

    @property
    def parameters(self) -> dict[str, Any]:
        """What a valid form sets: name and value of each parameter."""
        return {name: self.cleaned_data[name] for name in self.names()}

    def applied(self, changed: Collection[str]) -> str:
        """For the person who has applied them."""
        return " ".join([_("The settings have been applied."), *(f"{one}." for one in self.differences(changed))])

    def differences(self, changed: Collection[str]) -> list[str]:
        """What each of these parameters was and what a valid form makes of it, as in *interval: 365 → 180*."""
        after = copy.copy(self._stored)
        for name in changed:
            setattr(after, name, self.cleaned_data.get(name))
        return [
            f"{str(self.fields[name].label)[:1].upper()}{str(self.fields[name].label)[1:]}: "
            f"{_told(self._stored, name)} → {_told(after, name)}"
            for name in self.names()
            if name in changed
        ]

    def make_read_only(self) -> None:
        for field in self.fields.values():
            field.disabled = True

    def compare_with(self, row: VersionedSettings) -> None:
        """Somebody else has saved `row` meanwhile: show where it differs from what is typed, and keep what is typed."""
        stored = {name: in_words(row, name, getattr(row, name)) for name in row.differing(self.parameters)}
        tell_overtaken(self, version=row.version, stored=stored)


def tell_overtaken(form: forms.BaseForm, *, version: int, stored: Mapping[str, str]) -> None:
    """Say that somebody else has saved meanwhile, show what is `stored` beside what is typed, and keep what is typed.

    From now on the form is about that `version`, so that applying it once more is a decision and no accident.
    """
    form.data = {**{name: form.data.get(name) for name in form.data}, "version": str(version)}
    form.add_error(
        None,
        ValidationError(
            _(
                "Somebody else has changed these settings while you were editing them. Nothing of yours has been applied;"
                " what you typed is still in the fields. Apply once more to replace what is stored."
            ),
            code="overtaken",
        ),
    )
    for name, words in stored.items():
        form.fields[name].stored = words  # type: ignore[attr-defined]


def _told(row: models.Model, name: str) -> str:
    return Truncator(in_words(row, name, getattr(row, name))).chars(LONGEST_TOLD)


def in_words(row: models.Model, name: str, value: Any) -> str:
    """The value of a parameter, which the row or a column of it holds, as a person reads it."""
    match value:
        case None:
            return _("empty")
        case bool(on):
            return _("on") if on else _("off")
        case time() as moment:
            return f"{moment:%H:%M}"
        case list(entries):
            return ", ".join(entries) or _("empty")
        case _:
            display = getattr(row, f"get_{name}_display", None)
            return str(display() if display else value) or _("empty")
