from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.models import Severity


class EventFilter(forms.Form):
    """Which event messages are listed. An unknown value lists all."""

    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("All")), ("open", _("Open")), ("over", _("Over"))],
        help_text=_("Open: what it says is still true, or nobody has confirmed it yet."),
    )
    severity = forms.ChoiceField(
        label=_("Severity"),
        required=False,
        choices=[("", _("All")), *Severity.choices],
        help_text=_(
            "Critical: calls are lost or soon will be. Serious: somebody has to do something. Normal: good to know."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-select"
