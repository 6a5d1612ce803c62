"""Forms about terminals: a filter of the list, and one terminal on its page."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.pages.form_layout import FilterSelect, ParameterForm, Parameters
from terminals.answer_target import SAID_OF_TERMINAL
from terminals.directory import changes
from terminals.directory.fields import OwnLinesField, hold_secret, judge_own_lines
from terminals.directory.row_form import TerminalFields
from terminals.directory.states import DELIVERY_STATES, ORDERS
from terminals.forms.password_warning import PasswordWarning
from terminals.models import Terminal, TerminalType


class TerminalFilter(forms.Form):
    """Which terminals are listed, and in which order. An unknown value counts as none."""

    text = forms.CharField(
        label=_("Text"),
        required=False,
        max_length=100,
        help_text=_("A part of the number, the name or the address, or four digits of the MAC."),
    )
    type = forms.ChoiceField(
        label=_("Type"), required=False, widget=FilterSelect, help_text=_("Only terminals of this type.")
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        widget=FilterSelect,
        choices=[("", _("All")), *DELIVERY_STATES],
        help_text=_("How far the generation is that terminals are to get now."),
    )
    order = forms.ChoiceField(
        label=_("Order"),
        required=False,
        choices=[(name, name) for name in ORDERS],
        widget=forms.HiddenInput,
    )

    def __init__(self, data: Any, *, types: list[TerminalType]) -> None:
        super().__init__(data)
        self._types = [(str(one.pk), str(one)) for one in types]
        self.fields["type"].choices = [("", _("All")), *self._types]  # type: ignore[attr-defined]
        self.fields["text"].widget.attrs.update(
            {"class": "form-control", "placeholder": _("Number, name, MAC, address …"), "type": "search"}
        )

    @property
    def what_is_shown(self) -> tuple[list[str | None], list[tuple[str, str]]]:
        """Differs where the fields differ: what stands in them, and the types to choose from."""
        return [field.value() for field in self.visible_fields()], self._types

    @property
    def chosen(self) -> dict[str, str]:
        """What is set and known, by name."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class TerminalForm(PasswordWarning, ParameterForm, TerminalFields):
    """`terminal` is the row as it is, or a new one. Who does not `administer` reads no password in its own lines, and so has no
    field for lines that hold one: what stands there stays.
    """

    type = forms.ModelChoiceField(
        label=_("type"),
        queryset=TerminalType.objects.all(),
        empty_label=_("Please choose"),
        help_text=_("How it gets its certificates, and in which form."),
    )
    forget_password = forms.BooleanField(
        label=_("delete the stored SIP password"),
        required=False,
        help_text=_("On: it is gone once you apply, and a question for it is no longer answered."),
    )
    own_lines = OwnLinesField(
        label=_("own lines of the configuration file"),
        path_is_secret=True,
        help_text=_(
            "Only where pbxcerts is the whole configuration server: lines that go into its file before those of pbxcerts."
        ),
    )

    field_order = ["number", "name", "type", "mac"]

    def __init__(self, data: Any = None, *, terminal: Terminal, administers: bool) -> None:
        shown = [name for name in self.base_fields if name not in {"sip_password", "forget_password", "type"}]
        initial = {name: getattr(terminal, name) for name in shown} | {"type": terminal.type_id}
        super().__init__(data, initial=initial)
        self.terminal = terminal
        if terminal.sip_password is None:
            del self.fields["forget_password"]
        self.lines_withheld = not administers and hold_secret(terminal.own_lines)
        if self.lines_withheld:
            del self.fields["own_lines"]

    def layout(self) -> list[Parameters | str]:
        secret = ["sip_password", *(["forget_password"] if "forget_password" in self.fields else [])]
        lines = [] if self.lines_withheld else [Parameters(_("Configuration file"), "own_lines")]
        return [
            self.PASSWORD_GOES,
            Parameters(_("Terminal"), "number", "name", "type", "mac", "enabled", "notes"),
            Parameters(_("Notification"), "address", "transport", "way", "sip_user", *secret, "sip_realm"),
            *lines,
        ]

    def clean(self) -> None:
        super().clean()
        if "type" in self.cleaned_data and not self.lines_withheld:
            judge_own_lines(self, self.cleaned_data["type"].driver)
        if self._lets_password_go():
            self.warn_of_password(
                "sip_password",
                _(
                    "With this change the answer made with the stored SIP password would go elsewhere: to another number, user"
                    " or realm, or straight to another address. So applying deletes it. Enter it anew here, or apply once"
                    " more without it."
                ),
            )

    def _lets_password_go(self) -> bool:
        entered = self.cleaned_data
        if self.terminal.sip_password is None or entered.get("sip_password") or entered.get("forget_password"):
            return False
        if not entered.keys() >= {"type", *SAID_OF_TERMINAL}:
            return False
        changed = Terminal(type=entered["type"], **{name: entered[name] for name in SAID_OF_TERMINAL})
        return changes.lets_password_go(self.terminal, changed)

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
