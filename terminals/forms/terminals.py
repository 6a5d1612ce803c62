"""Forms about terminals: a filter of the list, one terminal on its page, one terminal in a row of a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.form_layout import ParameterForm, Parameters
from terminals.forms.entries import AddressField, EnabledField, MacField, NumberField, OwnLinesField, TypeNameField
from terminals.listing import ORDERS, STATES
from terminals.models import Methods, Terminal, TerminalType, Transports, Ways

NO_SUGGESTIONS = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class Filter(forms.Form):
    """Which terminals are listed, and in which order. An unknown value counts as none."""

    text = forms.CharField(label=_("Text"), required=False, max_length=100)
    type = forms.ChoiceField(label=_("Type"), required=False)
    state = forms.ChoiceField(label=_("State"), required=False, choices=[("", _("All")), *STATES])
    order = forms.ChoiceField(
        label=_("Order"),
        required=False,
        choices=[(name, name) for name in ORDERS],
        widget=forms.HiddenInput,
    )

    def __init__(self, data: Any, *, types: list[TerminalType]) -> None:
        super().__init__(data)
        names = [(str(one.pk), str(one)) for one in types]
        self.fields["type"].choices = [("", _("All")), *names]  # type: ignore[attr-defined]
        self.fields["type"].widget.attrs["class"] = "form-select"
        self.fields["state"].widget.attrs["class"] = "form-select"
        self.fields["text"].widget.attrs.update(
            {"class": "form-control", "placeholder": _("Number, name, MAC, address …"), "type": "search"}
        )

    @property
    def chosen(self) -> dict[str, str]:
        """What is set and known, by name."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class TerminalFields(forms.Form):
    """What a person enters about a terminal, on the page and in a file."""

    number = NumberField(
        label=_("number"),
        max_length=64,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_("The call number, as the communication server knows it: the address that a notification goes to."),
    )
    name = forms.CharField(label=_("name"), max_length=128, required=False)
    mac = MacField(
        label=_("MAC"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs=NO_SUGGESTIONS),
        help_text=_(
            "A Mitel SIP phone gets its files by it. Another MAC is another telephone: what the one before had confirmed no"
            " longer counts."
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
        choices=[("", _("as its type")), *Ways.choices],
        required=False,
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
    sip_password = forms.CharField(
        label=_("SIP password"),
        max_length=128,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("It is stored encrypted and never shown or exported. Empty: the stored one stays."),
    )
    enabled = EnabledField(
        label=_("enabled"),
        help_text=_(
            "Off: it is not asked to load certificates, and no handover waits for it. What it loads by itself it still gets."
        ),
    )
    notes = forms.CharField(label=_("notes"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

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
            notified = kind is not None and (kind.method != Methods.SIP_STANDARD or kind.event)
            if way == Ways.DIRECT and notified:
                self.add_error(
                    "address",
                    ValidationError(_("It is to be notified directly: enter its address."), code="address_missing"),
                )


class TerminalForm(ParameterForm, TerminalFields):
    """`terminal` is the row as it is, or a new one."""

    type = forms.ModelChoiceField(
        label=_("type"),
        queryset=TerminalType.objects.all(),
        help_text=_("How it gets its certificates, and in which form."),
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
    forget_password = forms.BooleanField(label=_("delete the stored SIP password"), required=False)
    own_lines = OwnLinesField(
        label=_("own lines of the configuration file"),
        path_is_secret=True,
        help_text=_("Only for Mitel SIP phones: lines “name: value” that go into its file before those of pbxcerts."),
    )

    field_order = ["number", "name", "type", "mac"]

    def __init__(self, data: Any = None, *, terminal: Terminal) -> None:
        shown = [name for name in self.base_fields if name not in {"sip_password", "forget_password", "type"}]
        initial = {name: getattr(terminal, name) for name in shown} | {"type": terminal.type_id}
        super().__init__(data, initial=initial)
        self.terminal = terminal
        if terminal.sip_password is None:
            del self.fields["forget_password"]

    def layout(self) -> list[Parameters | str]:
        secret = ["sip_password", *(["forget_password"] if "forget_password" in self.fields else [])]
        return [
            Parameters(_("Terminal"), "number", "name", "type", "mac", "enabled", "notes"),
            Parameters(_("Notification"), "address", "transport", "way", "sip_user", *secret, "sip_realm"),
            Parameters(_("Configuration file"), "own_lines"),
        ]

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        if self._taken(number=number):
            raise ValidationError(
                _("There is a terminal with the number %(number)s already."), code="taken", params={"number": number}
            )
        return number

    def clean_mac(self) -> str | None:
        mac: str | None = self.cleaned_data["mac"]
        if mac and (holder := self._taken(mac=mac)):
            raise ValidationError(
                _("This MAC belongs to the terminal %(number)s."), code="taken", params={"number": holder.number}
            )
        return mac

    def _taken(self, **value: str) -> Terminal | None:
        return Terminal.objects.exclude(pk=self.terminal.pk).filter(**value).first()


class RowForm(TerminalFields):
    """A row of a CSV file. Whether number and MAC are taken is for `terminals.imports`, which knows the other rows too."""

    type = TypeNameField(types={})

    def __init__(self, *, types: Mapping[str, TerminalType]) -> None:
        super().__init__()
        self.fields["type"].types = types  # type: ignore[attr-defined]

    def judge(self, cells: Mapping[str, str]) -> bool:
        """Whether these cells are a terminal; then `cleaned_data`, else `errors` says more.

        One form for all rows: making its fields anew would take as long again as judging them.
        """
        self.data, self.is_bound = dict(cells), True
        self.full_clean()
        return not self.errors
