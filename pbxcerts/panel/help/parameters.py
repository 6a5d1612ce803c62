"""The parameters of a form as its help page lists them. What they are called, what is possible and what holds without a change are read
off the form and its model, so that no help page can say anything else than the product does (rule help-from-code).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from pbxcerts.system.forms.entries import ListField
from pbxcerts.system.forms.versioned import in_words

FEW = 12
"""So many choices are named; of more a person reads in the form."""


@dataclass(frozen=True)
class Parameter:
    """`anchor`: where it stands on its help page."""

    anchor: str
    label: str
    default: str
    possible: str
    explanation: str


@dataclass(frozen=True)
class ParametersOf:
    """The parameters of one form of a view. `name` begins their anchors; `model`, one that holds their defaults."""

    name: str
    title: str | Promise
    form: type[forms.BaseForm]
    model: type[models.Model] | None = None

    def __iter__(self) -> Iterator[Parameter]:
        for name, field in self.fields.items():
            label = str(field.label or name)
            yield Parameter(
                anchor=f"{self.name}-{name}",
                label=label[:1].upper() + label[1:],
                default=self._default(name, field),
                possible=possible(field),
                explanation=str(field.help_text),
            )

    @property
    def fields(self) -> dict[str, forms.Field]:
        """Those that a person sees."""
        declared: dict[str, forms.Field] = self.form.base_fields  # type: ignore[attr-defined]
        return {name: field for name, field in declared.items() if not field.widget.is_hidden}

    def _default(self, name: str, field: forms.Field) -> str:
        if self.model is not None:
            try:
                held = self.model._meta.get_field(name)
            except FieldDoesNotExist:
                pass
            else:
                return in_words(self.model(), name, held.get_default()) if isinstance(held, models.Field) else ""
        if field.initial in (None, ""):
            return ""
        return dict(_choices(field)).get(str(field.initial), str(field.initial))


def possible(field: forms.Field) -> str:
    """What can be entered, as far as the field says so."""
    match field:
        case ListField():
            return _("up to %(most)s entries") % {"most": field.most}
        case forms.BooleanField():
            return _("on or off")
        case forms.TimeField():
            return _("00:00 to 23:59")
        case forms.ChoiceField():
            words = [word for _value, word in _choices(field)]
            return ", ".join(words) if len(words) <= FEW else _("one of the list")
        case forms.IntegerField() if field.min_value is not None and field.max_value is not None:
            return _("%(least)s to %(most)s") % {"least": field.min_value, "most": field.max_value}
        case forms.CharField() if field.max_length:
            return _("up to %(most)s characters") % {"most": field.max_length}
        case _:
            return ""


def _choices(field: forms.Field) -> list[tuple[str, str]]:
    """Without those in groups, of which there are too many to be named."""
    if not isinstance(field, forms.ChoiceField) or isinstance(field, forms.ModelChoiceField):
        return []
    choices: list[tuple[Any, Any]] = list(field.choices)  # type: ignore[arg-type]
    if any(isinstance(word, list | tuple) for _value, word in choices):
        return [("", "")] * (FEW + 1)
    return [(str(value), str(word)) for value, word in choices if value != ""]
