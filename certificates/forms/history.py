from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.models import Generation


class GenerationFilter(forms.Form):
    """Which attempts are listed. An unknown value lists all."""

    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("All")), *Generation.State.choices],
        help_text=_("What has become of the generation by now."),
    )
    trigger = forms.ChoiceField(
        label=_("Trigger"),
        required=False,
        choices=[("", _("All")), *Generation.Trigger.choices],
        help_text=_("What the generation was made by: the schedule, a person, or a pair that had to be replaced."),
    )
    text = forms.CharField(
        label=_("Text"),
        required=False,
        max_length=200,
        help_text=_("A part of a reason, a person, a DNS name or an address, or the beginning of a fingerprint."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["state"].widget.attrs["class"] = "form-select"
        self.fields["trigger"].widget.attrs["class"] = "form-select"
        self.fields["text"].widget.attrs.update(
            {"class": "form-control", "placeholder": _("Reason, person, fingerprint …")}
        )
