"""The form of the page "Delivery": where NOTIFYs go, when terminals restart, how many at once, and when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates.pki.errors import IdentityCode, IdentityError
from certificates.pki.identity import parse_dns_name
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.forms.entries import ListField, OnOffField, clean_address, clean_dns_name
from pbxcerts.system.forms.versioned import VersionedForm
from pbxcerts.system.models import General
from pbxcerts.system.pages.form_layout import Parameters
from terminals.answer_target import NotifyServer
from terminals.evidence.addresses import (
    NETWORKS_AT_MOST,
    TelephoneNetworkError,
    TelephoneNetworkFault,
    parse_network,
)
from terminals.forms.password_warning import PasswordWarning
from terminals.models import DeliverySettings, Transports

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as LazyText

_NUMBER = {"inputmode": "numeric", "autocomplete": "off"}


def _label(name: str) -> Any:
    return DeliverySettings._meta.get_field(name).verbose_name  # type: ignore[union-attr]


def _number(name: str, least: int, most: int, sentence: LazyText, help_text: LazyText) -> forms.IntegerField:
    return forms.IntegerField(
        label=_label(name),
        min_value=least,
        max_value=most,
        widget=forms.TextInput(attrs=_NUMBER),
        help_text=help_text,
        error_messages=dict.fromkeys(["required", "invalid", "min_value", "max_value"], sentence),
    )


NETWORK_ERRORS = {
    TelephoneNetworkFault.SYNTAX: _(
        "“%(value)s” is no network: write for example 192.0.2.0/24, 2001:db8::/64, or a single address."
    ),
    TelephoneNetworkFault.HOST_BITS: _("“%(value)s” is an address within a network: write %(meant)s."),
    TelephoneNetworkFault.TOO_WIDE: _(
        "“%(value)s” is too wide: whoever has an address in it could confirm in every telephone's name. An IPv4 network has"
        " at least 8 bits, one of IPv6 at least 32."
    ),
    TelephoneNetworkFault.MULTICAST: _("“%(value)s” is for multicast: no telephone asks from there."),
}


def clean_network(text: str) -> str:
    """A network of telephones in its shortest spelling. Raises ValidationError."""
    try:
        return parse_network(text)
    except TelephoneNetworkError as error:
        params = {"value": text, "meant": error.meant}
        raise ValidationError(NETWORK_ERRORS[error.fault], code=error.fault, params=params) from error


_PERCENT = _("Enter a whole number from 1 to 100.")


class HostField(forms.CharField):
    """A name or an address; "" where none is set."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        if not text:
            return ""
        try:
            return parse_dns_name(text)
        except IdentityError as error:
            return (
                clean_address(text)
                if error.code is IdentityCode.DNS_IS_ADDRESS or ":" in text
                else clean_dns_name(text)
            )


class DeliveryForm(PasswordWarning, VersionedForm):
    """Numbers are plain text fields, so that what was typed is still there when it is refused."""

    secrets = frozenset({"account_password"})
    _SERVER = ("proxy_host", "proxy_port", "proxy_transport", "sip_domain")

    proxy_host = HostField(
        label=_label("proxy_host"),
        required=False,
        max_length=253,
        help_text=_(
            "Where notifications are sent so that the communication server passes them on. Empty: its name or first address"
            " from System / General. A telephone on a lasting TLS connection takes them only from there. With TLS and a name"
            " or address of the communication server, Mitel SIP phones that load their configuration from pbxcerts are told"
            " to connect there too."
        ),
    )
    proxy_port = _number(
        "proxy_port",
        1,
        65535,
        _("Enter a port from 1 to 65535."),
        _("5061 is usual with TLS, 5060 with UDP and TCP."),
    )
    proxy_transport = forms.ChoiceField(
        label=_label("proxy_transport"),
        choices=Transports.choices,
        help_text=_("How pbxcerts speaks to the communication server. With TLS its certificate is verified."),
    )
    sip_domain = HostField(
        label=_label("sip_domain"),
        required=False,
        max_length=253,
        help_text=_(
            "What stands after the number in a terminal's SIP address. Empty: the address of the outbound proxy."
        ),
    )
    account_user = forms.CharField(
        label=_label("account_user"),
        required=False,
        max_length=128,
        help_text=_(
            "With which pbxcerts answers when the communication server asks who it is. Empty: none, and its password is"
            " forgotten."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
    account_password = forms.CharField(
        label=_("password of the account"),
        required=False,
        max_length=256,
        strip=False,
        help_text=_("It is kept encrypted and never shown. Empty: the one that is stored stays."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    telephone_networks = ListField(
        label=_label("telephone_networks"),
        parse=clean_network,
        most=NETWORKS_AT_MOST,
        help_text=_(
            "Networks in which there are telephones and nobody else, for example 192.0.2.0/24 or 2001:db8::/64, one a line. A"
            " telephone that fetches its certificates from there has confirmed them. Whoever knows its MAC can fetch in"
            " its name: from elsewhere a fetch confirms only over the secret address of the terminal, from its own address in"
            " the list, or if nobody else asked after the telephone had answered a notification."
        ),
    )
    window_hours = _number(
        "window_hours",
        1,
        12,
        _("Enter a whole number of hours from 1 to 12."),
        _(
            "Terminals that have to restart do so in these hours, beginning at the time of generation; what is"
            " left waits for the next night. At another hour only where you say so, in the last 24 hours before"
            " the deadline, and where the pair that they trust carries no calls any more."
        ),
    )
    waves = OnOffField(
        label=_label("waves"),
        help_text=_(
            "On: first one terminal of each type, then the second and the third wave, then all others; each waits"
            " for the one before. Off: all at once, as many at a time as the next line says."
        ),
    )
    at_once = _number(
        "at_once",
        1,
        500,
        _("Enter a whole number from 1 to 500."),
        _(
            "So many terminals are asked, restart or fetch at the same time. More is quicker and needs more of the network."
        ),
    )
    second_wave_percent = _number(
        "second_wave_percent", 1, 100, _PERCENT, _("How many of the automatic terminals come after the first ones.")
    )
    third_wave_percent = _number(
        "third_wave_percent", 1, 100, _PERCENT, _("How many come after these; all others follow them.")
    )
    stop_percent = _number(
        "stop_percent",
        0,
        100,
        _("Enter a whole number from 0 to 100."),
        _(
            "If more than this part of a wave fails, nobody else is asked until a person goes on. 0: one failure is enough."
        ),
    )
    stop_among_first = _number(
        "stop_among_first",
        1,
        100,
        _PERCENT,
        _(
            "So many failures among the first ones, one of each type, stop the rollout; where fewer are there, the"
            " failure of all of them does."
        ),
    )

    def __init__(self, data: Any = None, *, row: DeliverySettings) -> None:
        super().__init__(data, row=row)
        self.row = row
        if row.account_password is not None:
            self.fields["account_password"].widget.attrs["placeholder"] = gettext("stored")

    def layout(self) -> list[Parameters | str]:
        return [
            "version",
            self.PASSWORD_GOES,
            Parameters(
                _("Way of the notifications"),
                "proxy_host",
                "proxy_port",
                "proxy_transport",
                "sip_domain",
                "account_user",
                "account_password",
            ),
            Parameters(_("Whose fetch counts"), "telephone_networks"),
            Parameters(_("Restarts"), "window_hours"),
            Parameters(_("Waves"), "waves", "at_once", "second_wave_percent", "third_wave_percent"),
            Parameters(_("When to stop"), "stop_percent", "stop_among_first"),
        ]

    @property
    def password(self) -> str | None:
        """What is to be stored; "" where the stored one is to be forgotten, None where it stays."""
        if not self.cleaned_data["account_user"]:
            return ""
        return self.cleaned_data["account_password"] or ("" if self._lets_account_go() else None)

    @cached_property
    def _general(self) -> General:
        return General.load()

    @property
    def servers(self) -> tuple[NotifyServer, NotifyServer]:
        """The communication server as it is stored, and as it would be."""
        entered = DeliverySettings(**{name: self.cleaned_data[name] for name in self._SERVER})
        return NotifyServer.of(self.row, self._general), NotifyServer.of(entered, self._general)

    def _lets_account_go(self) -> bool:
        """Whether there is a password of the account whose answers would go elsewhere (rule kept-password)."""
        before, after = self.servers
        return self.row.account_password is not None and (
            before != after or self.row.account_user != self.cleaned_data["account_user"]
        )

    def _warn_of_passwords(self) -> None:
        if not self.cleaned_data.keys() >= {"account_user", "account_password", *self._SERVER}:
            return
        if self.cleaned_data["account_user"] and self.password == "":
            self.warn_of_password(
                "account_password",
                _(
                    "With this change the answer made with the stored password would go elsewhere: to another user, address or"
                    " SIP domain. So applying deletes it. Enter it anew here, or apply once more without it."
                ),
            )
        self.warn_of_server(*self.servers)

    def clean(self) -> None:
        if self.cleaned_data.get("account_password") and not self.cleaned_data.get("account_user", "-"):
            self.add_error(
                "account_user",
                ValidationError(_("Enter the account that this password belongs to."), code="no_account"),
            )
        second, third = self.cleaned_data.get("second_wave_percent"), self.cleaned_data.get("third_wave_percent")
        if second and third and second + third > 100:
            self.add_error(
                "third_wave_percent",
                ValidationError(
                    _("The second and the third wave together can't be more than 100 %."), code="above_100"
                ),
            )
        self._warn_of_passwords()

    def compare_with(self, row: VersionedSettings) -> None:
        super().compare_with(row)
        if self.password:
            self.fields["account_password"].help_text = _("Enter the password once more: it is never sent back.")
