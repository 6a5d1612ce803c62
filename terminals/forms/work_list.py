"""Which terminals of the work list are shown."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.pages.form_layout import FilterSelect
from terminals.models import TerminalType


class WorkListFilter(forms.Form):
    """An unknown value shows all. `types`: those of which somebody is left."""

    type = forms.ChoiceField(
        label=_("Type"),
        required=False,
        widget=FilterSelect,
        help_text=_("Only types of which something is left to be done are listed."),
    )
    text = forms.CharField(
        label=_("Number or name"), required=False, max_length=128, help_text=_("A part of the number or of the name.")
    )

    def __init__(self, data: Any, *, types: list[TerminalType]) -> None:
        super().__init__(data)
        self.fields["type"].choices = [("", _("All")), *((str(one.pk), str(one)) for one in types)]  # type: ignore[attr-defined]
        self.fields["text"].widget.attrs["class"] = "form-control"

    @property
    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class DeskForm(forms.Form):
    """Who installed it, on the page of a personal link."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=100,
        help_text=_("It stands beside the confirmation, so that others know whom to ask."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "name"}),
        error_messages={"required": _("Enter your name: it stands beside the confirmation.")},
    )
