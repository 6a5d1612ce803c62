"""What a person enters about a terminal, and how a row of a CSV file is judged by the same rules."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from terminals.directory.fields import AddressField, EnabledField, MacField, NumberField, TypeNameField
from terminals.models import NotifyWays, TerminalType, Transports

SPOILT = _(
    "A spreadsheet has made “%(value)s” of what stood here. Format the column as text there and enter the values anew."
)
NO_SUGGESTIONS = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class TerminalFields(forms.Form):
    """What a person enters about a terminal, on the page and in a file."""

    number = NumberField(
        label=_("number"),
        max_length=64,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_("The call number, as the communication server knows it: the address that a notification goes to."),
    )
    name = forms.CharField(
        label=_("name"),
        max_length=128,
        required=False,
        help_text=_("As people call it, for example the person or the room."),
    )
    mac = MacField(
        label=_("MAC"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_(
            "By it a telephone that asks for its files is recognised. Another MAC is another telephone: what the one before had"
            " confirmed no longer counts."
        ),
    )
    address = AddressField(
        label=_("address"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_("IP address, or IP address and port (192.0.2.7:5062). Needed where it is notified directly."),
    )
    transport = forms.ChoiceField(
        label=_("transport"),
        choices=Transports.choices,
        required=False,
        help_text=_("Of a notification that goes straight to the terminal."),
    )
    way = forms.ChoiceField(
        label=_("way of the notification"),
        choices=[("", _("as its type")), *NotifyWays.choices],
        required=False,
        help_text=_("Only where this telephone differs from the others of its type."),
    )
    sip_user = forms.CharField(
        label=_("SIP user"),
        max_length=128,
        required=False,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_(
            "With which pbxcerts answers when the terminal asks who sends the notification. Empty: its number."
        ),
    )
    sip_realm = forms.CharField(
        label=_("realm of the SIP user"),
        max_length=253,
        required=False,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_(
            "User and password are given to this realm only. Empty: to the SIP domain of the communication server."
        ),
    )
    sip_password = forms.CharField(
        label=_("SIP password"),
        max_length=128,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "It is stored encrypted and never shown or exported. Empty: the stored one stays, unless number, user, realm or,"
            " where it is notified directly, the address changes."
        ),
    )
    enabled = EnabledField(
        label=_("enabled"),
        help_text=_(
            "Off: it is not asked to load certificates, and no handover waits for it. What it loads by itself it still gets."
        ),
    )
    notes = forms.CharField(
        label=_("notes"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("For people: the work list shows the beginning."),
    )

    def clean_transport(self) -> str:
        return self.cleaned_data["transport"] or Transports.UDP.value

    def clean_sip_password(self) -> str:
        password: str = self.cleaned_data["sip_password"]
        if not password.isprintable():
            raise ValidationError(_("The password has a character that can't be typed."), code="password")
        return password

    def clean(self) -> None:
        """One that is notified directly is found by its address only."""
        cleaned = self.cleaned_data
        if "address" in cleaned and not cleaned["address"] and cleaned.get("enabled", False):
            kind = cleaned.get("type")
            way = cleaned.get("way") or (kind.way if kind else "")
            notified = kind is not None and kind.driver.event(kind.event)
            if way == NotifyWays.DIRECT and notified:
                self.add_error(
                    "address",
                    ValidationError(_("It is to be notified directly: enter its address."), code="address_missing"),
                )


# 120 as a decimal number, or 41445551212 and 00085E000001 as a number in scientific notation.
_NUMBER_OF_A_SPREADSHEET = re.compile(r"[0-9]+[.,]0+|[0-9]+(?:[.,][0-9]+)?E[+-][0-9]+", re.IGNORECASE | re.ASCII)


class RowForm(TerminalFields):
    """A row of a CSV file. Whether number and MAC are taken is for `terminals.directory.csv.import_plan`, which knows the other rows too."""

    type = TypeNameField(types={})
    DIGITS = ("number", "mac", "sip_user")
    """What a spreadsheet may take for a quantity."""

    def __init__(self, *, types: Mapping[str, TerminalType]) -> None:
        super().__init__()
        self.fields["type"].types = types  # type: ignore[attr-defined]

    def judge(self, cells: Mapping[str, str]) -> bool:
        """Whether these cells are a terminal; then `cleaned_data`, else `errors` says more.

        One form for all rows: making its fields anew would take as long again as judging them.
        """
        self.data, self.is_bound = dict(cells), True
        self.full_clean()
        for name in self.DIGITS:
            if _NUMBER_OF_A_SPREADSHEET.fullmatch(cells[name].strip()):
                self.cleaned_data.pop(name, None)
                self.errors[name] = self.error_class([SPOILT % {"value": cells[name].strip()}])
        return not self.errors
