"""The form of the page "Self-signed certificates". The command line sets the same parameters through it."""

from datetime import time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from certificates.models import KeyTypes, Settings, WhoCounts
from pbxcerts.system.forms.entries import OnOffField
from pbxcerts.system.forms.versioned import VersionedForm
from pbxcerts.system.pages.form_layout import Parameters
from pbxcerts.system.users.reauthentication import Reauthentication


def _label(name: str) -> Any:
    return Settings._meta.get_field(name).verbose_name  # type: ignore[union-attr]


_DAYS = _("Enter a whole number of days from 1 to 3650.")
_OVERLAP = _("Enter a whole number of days from 0 to 90.")
_TIME = _("Enter a time of day as hours and minutes, from 00:00 to 23:59.")
_NUMBER = {"inputmode": "numeric"}
FIRST = ("interval_days", "generation_time")


class SettingsForm(VersionedForm):
    """Numbers and the time of day are plain text fields, so that a refused entry is shown as it was typed."""

    interval_days = forms.IntegerField(
        label=_label("interval_days"),
        min_value=1,
        max_value=3650,
        widget=forms.TextInput(attrs=_NUMBER),
        help_text=_(
            "After so many days a new root and a new host certificate are made. The interval is also their validity,"
            " to which the overlap is added. 365 suits most systems; 1 to 3650 are possible."
        ),
        error_messages=dict.fromkeys(["required", "invalid", "min_value", "max_value"], _DAYS),
    )
    generation_time = forms.TimeField(
        label=_label("generation_time"),
        input_formats=["%H:%M", "%H:%M:%S"],
        help_text=_(
            "The time of day of the generation, in the time zone of System / General. Choose one outside office hours:"
            " some telephones restart to take over new certificates, and a restart during work costs calls."
        ),
        error_messages=dict.fromkeys(["required", "invalid"], _TIME),
    )
    overlap_days = forms.IntegerField(
        label=_label("overlap_days"),
        min_value=0,
        max_value=90,
        widget=forms.TextInput(attrs=_NUMBER),
        help_text=_(
            "How long the old pair stays valid beside the new one. In this time the terminals get the new certificates,"
            " and the communication server is switched when they have them, after half of it at the latest. With 0 the server is"
            " switched at once: terminals that do not have the new root certificate yet can't make calls."
        ),
        error_messages=dict.fromkeys(["required", "invalid", "min_value", "max_value"], _OVERLAP),
    )
    handover_counts = forms.ChoiceField(
        label=_("The switch waits for"),
        choices=WhoCounts.choices,
        help_text=_(
            "Whose confirmation the communication server waits for before it is switched, up to the deadline. Waiting costs nothing"
            " while the old pair is valid; switching too early costs calls."
        ),
    )
    key_type = forms.ChoiceField(
        label=_label("key_type"),
        choices=KeyTypes.choices,
        help_text=_(
            "Holds from the next generation on. RSA 2048 is understood by every telephone; some older ones fail with"
            " EC P-256 or are slow with RSA 3072."
        ),
    )
    addresses_as_dns = OnOffField(
        label=_label("addresses_as_dns"),
        help_text=_(
            "Only for telephones that reach the communication server by its address and still refuse its certificate: older TLS"
            " libraries find an address only among the names. Holds from the next generation on."
        ),
    )

    def __init__(self, data: Any = None, *, row: Settings) -> None:
        super().__init__(data, row=row)
        self.initial["generation_time"] = f"{row.generation_time:%H:%M}"

    def layout(self) -> list[Parameters | str]:
        return ["version", Parameters(_("Self-signed certificates"), *self.names())]

    @property
    def first_fields(self) -> list[BoundField]:
        """The parameters for which the page exists."""
        return [self[name] for name in FIRST]

    @property
    def expert_fields(self) -> list[BoundField]:
        return [self[name] for name in self.names() if name not in FIRST]

    @property
    def expert_is_wrong(self) -> bool:
        """Whether something in the folded part is to be looked at: what was refused, or saved by somebody else meanwhile."""
        return any(field.errors or hasattr(field.field, "stored") for field in self.expert_fields)

    def clean_generation_time(self) -> time:
        entered: time = self.cleaned_data["generation_time"]
        if entered.second:
            raise ValidationError(_TIME, code="seconds")
        return entered

    def clean(self) -> None:
        interval, overlap = self.cleaned_data.get("interval_days"), self.cleaned_data.get("overlap_days")
        if interval is not None and overlap is not None and overlap > interval:
            self.add_error(
                "overlap_days",
                ValidationError(_("The overlap can't be longer than the interval."), code="overlap_above_interval"),
            )


class ConfirmSettings(Reauthentication, forms.Form):
    """The second step of a change with consequences; `critical` where it also needs the password."""

    def __init__(self, *args: Any, request: HttpRequest, critical: bool, **kwargs: Any) -> None:
        super().__init__(*args, request=request, **kwargs)
        self.critical = critical
        if not critical:
            del self.fields["password"]
