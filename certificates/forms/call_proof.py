"""The form of the page "Proof by call": when one is made, and with which test account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates.call_proof.models import CallProofSettings
from certificates.pki.errors import IdentityCode, IdentityError
from certificates.pki.identity import parse_dns_name
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.forms.entries import OnOffField, clean_address, clean_dns_name
from pbxcerts.system.forms.versioned import VersionedForm
from pbxcerts.system.pages.form_layout import Parameters

_PLAIN = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


def _label(name: str) -> Any:
    return CallProofSettings._meta.get_field(name).verbose_name  # type: ignore[union-attr]


class DomainField(forms.CharField):
    """A name or an address; "" where none is set."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        try:
            return parse_dns_name(text) if text else ""
        except IdentityError as error:
            is_address = error.code is IdentityCode.DNS_IS_ADDRESS or ":" in text
            return clean_address(text) if is_address else clean_dns_name(text)


class CallProofForm(VersionedForm):
    secrets = frozenset({"password"})

    after_switch = OnOffField(
        label=_label("after_switch"),
        help_text=_(
            "On: after each switch of the communication server pbxcerts telephones once as a terminal would. Off: only when"
            " somebody chooses “Prove by a call now”."
        ),
    )
    user = forms.CharField(
        label=_label("user"),
        required=False,
        max_length=128,
        help_text=_(
            "A number of the communication server that nobody else uses: pbxcerts registers with it for the time of the proof."
            " Empty: nobody registers or calls, and the password is forgotten."
        ),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    password = forms.CharField(
        label=_("password of the test account"),
        required=False,
        max_length=256,
        strip=False,
        help_text=_(
            "It is kept encrypted, never shown, and answered with only over TLS that telephones trust. Empty: the one that is"
            " stored stays."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    domain = DomainField(
        label=_label("domain"),
        required=False,
        max_length=253,
        help_text=_(
            "What stands after the number in its SIP address. Empty: the name or first address from System / General."
        ),
    )
    number = forms.CharField(
        label=_label("number"),
        required=False,
        max_length=64,
        help_text=_(
            "An echo test, or another number that answers by itself and speaks. It is called for three seconds. Empty: only the"
            " registration is proved."
        ),
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def __init__(self, data: Any = None, *, row: CallProofSettings) -> None:
        super().__init__(data, row=row)
        self.row = row
        if row.password is not None:
            self.fields["password"].widget.attrs["placeholder"] = gettext("stored")

    def layout(self) -> list[Parameters | str]:
        return ["version", Parameters(_("Settings"), "after_switch", "user", "password", "domain", "number")]

    @property
    def new_password(self) -> str | None:
        """What is to be stored; "" where the stored one is to be forgotten, None where it stays."""
        if not self.cleaned_data["user"]:
            return ""
        return self.cleaned_data["password"] or None

    def clean(self) -> None:
        user, password = self.cleaned_data.get("user"), self.cleaned_data.get("password")
        if "user" not in self.cleaned_data:
            return
        if not user and (password or self.cleaned_data.get("number")):
            self.add_error(
                "user", ValidationError(_("Enter the test account that this belongs to."), code="no_account")
            )
        elif user != self.row.user and self.row.password is not None and user and not password:
            self.add_error(
                "password",
                ValidationError(_("Another account has another password: enter it too."), code="other_account"),
            )

    def compare_with(self, row: VersionedSettings) -> None:
        super().compare_with(row)
        if self.cleaned_data.get("password"):
            self.fields["password"].help_text = _("Enter the password once more: it is never sent back.")
