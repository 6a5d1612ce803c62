from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.models import Generation


class GenerationFilter(forms.Form):
    """Which attempts are listed. An unknown value lists all."""

    state = forms.ChoiceField(label=_("State"), required=False, choices=[("", _("All")), *Generation.State.choices])
    trigger = forms.ChoiceField(
        label=_("Trigger"), required=False, choices=[("", _("All")), *Generation.Trigger.choices]
    )
    text = forms.CharField(label=_("Text"), required=False, max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["state"].widget.attrs["class"] = "form-select"
        self.fields["trigger"].widget.attrs["class"] = "form-select"
        self.fields["text"].widget.attrs.update(
            {"class": "form-control", "placeholder": _("Reason, person, fingerprint …")}
        )
