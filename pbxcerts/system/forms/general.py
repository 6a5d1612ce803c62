"""The form of System / General. The command line sets the same parameters through it."""

from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from pbxcerts.system import run_files
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.forms.entries import (
    DnsNameField,
    ListField,
    OnOffField,
    clean_address,
    clean_dns_name,
    clean_ntp_server,
    clean_recipient,
    clean_tls_address,
)
from pbxcerts.system.forms.versioned import VersionedForm
from pbxcerts.system.models import BACKUP_DAYS, BACKUP_KEEP, LOGOUT_AFTER_MINUTES, languages
from pbxcerts.system.pages.form_layout import FoldedParameters, Parameters

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as LazyText

MOST_RECIPIENTS = 8
MOST_NTP_SERVERS = 4
MOST_TLS_ADDRESSES = 4
# Telephones with little memory have to read every name of a certificate.
MOST_NAMES = 50


@cache
def time_zones() -> list[tuple[str, str]]:
    """Every zone of the IANA database."""
    return [(zone, zone) for zone in sorted(available_timezones() - {"localtime", "Factory"})]


class TimeZoneInput(forms.TextInput):
    """A field in which a browser suggests what begins so, or has it within: six hundred in a list are too many to look through."""

    choices: Any = ()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        known = f"{name}-known"
        field = super().render(name, value, {**(attrs or {}), "list": known}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((zone,) for zone, _zone in time_zones()))
        return format_html('{}<datalist id="{}">{}</datalist>', field, known, options)


class TimeZoneField(forms.ChoiceField):
    """A zone, whatever its capitals; the name of its city alone will do."""

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value).strip()
        meant = text.lower().replace(" ", "_")
        zones = [zone for zone, _zone in time_zones()]
        whole = [zone for zone in zones if zone.lower() == meant]
        by_city = [zone for zone in zones if zone.lower().rpartition("/")[2] == meant]
        return [*whole, *by_city, text][0]


def _number(label: "LazyText", limits: tuple[int, int], help_text: "LazyText") -> forms.IntegerField:
    least, most = limits
    said = format_lazy(_("Enter a whole number from {least} to {most}."), least=least, most=most)
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
        help_text=help_text,
        error_messages=dict.fromkeys(["required", "invalid", "min_value", "max_value"], said),
    )


class GeneralForm(VersionedForm):
    time_zone = TimeZoneField(
        label=_("Time zone"),
        choices=time_zones,
        widget=TimeZoneInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "Decides when “Generate certificates at (time)” comes. Summer time is changed automatically. The name of a city finds its zone."
        ),
        error_messages={"invalid_choice": _("“%(value)s” is not a time zone, for example Europe/Berlin.")},
    )
    ntp_enabled = OnOffField(
        label=_("NTP service"),
        help_text=_(
            "Mandatory for the automatic renewal: a certificate's dates are only as right as the clock they come from."
        ),
    )
    ntp_servers = ListField(
        label=_("NTP servers"),
        parse=clean_ntp_server,
        most=MOST_NTP_SERVERS,
        rows=4,
        help_text=_(
            "Up to four names or addresses, one a line; with a port as host:port. Three or more let one that is wrong be noticed."
        ),
    )
    site_name = forms.CharField(
        label=_("Site name"),
        required=False,
        max_length=64,
        help_text=_(
            "Stands in the title bar, as the organisation in the certificates, and in the names of exported files."
        ),
    )
    system_id = forms.CharField(
        label=_("System ID"),
        required=False,
        max_length=64,
        help_text=_("The number or code under which your service partner knows this system."),
    )
    fqdn = DnsNameField(
        label=_("Name of the communication server (FQDN)"),
        required=False,
        help_text=_(
            "The full name that terminals are configured with. The subject of the host certificate carries it."
        ),
    )
    dns_names = ListField(
        label=_("Further DNS names"),
        parse=clean_dns_name,
        most=MOST_NAMES,
        help_text=_("All other names under which terminals reach the communication server, one a line."),
    )
    ip_addresses = ListField(
        label=_("IP addresses"),
        parse=clean_address,
        most=MOST_NAMES,
        help_text=_(
            "The communication server's IPv4 and IPv6 addresses, one a line. When one changes, generate the certificates again."
        ),
    )
    on_this_machine = OnOffField(
        label=_("The communication server is this machine"),
        help_text=_(
            "On: terminals reach pbxcerts under the same names and addresses, unless others are entered for pbxcerts, and"
            " you are warned when none of these addresses is on an interface here any more."
        ),
    )
    tls_addresses = ListField(
        label=_("TLS addresses to check"),
        parse=clean_tls_address,
        most=MOST_TLS_ADDRESSES,
        help_text=_(
            "Up to four, as host:port, one a line. After a switch they are looked at: if the new certificate does not"
            " appear, the old pair comes back. Empty: switches are not verified."
        ),
    )
    own_names = ListField(
        label=_("Names of pbxcerts"),
        parse=clean_dns_name,
        most=MOST_NAMES,
        help_text=_(
            "Where terminals reach pbxcerts under other names than the communication server, or that is another"
            " machine."
        ),
    )
    own_addresses = ListField(
        label=_("Addresses of pbxcerts"),
        parse=clean_address,
        most=MOST_NAMES,
        help_text=_(
            "Where terminals reach pbxcerts under other addresses than the communication server, or that is"
            " another machine."
        ),
    )
    language = forms.ChoiceField(
        label=_("System language"),
        choices=languages,
        help_text=_("For the pages of everybody who has not chosen another language, and for the command line."),
    )
    swiss_spelling = OnOffField(
        label=_("Swiss spelling (ss for ß)"),
        help_text=_("For all German pages and messages."),
    )
    redirect_to_https = OnOffField(
        label=_("Redirect to HTTPS"),
        help_text=_("Can be switched on while the panel also answers over HTTPS (start option “bind-https”)."),
    )

    logout_after_minutes = forms.IntegerField(
        label=_("Log out after minutes without use"),
        min_value=LOGOUT_AFTER_MINUTES[0],
        max_value=LOGOUT_AFTER_MINUTES[1],
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
        help_text=_(
            "Whoever opens no page and applies nothing for so long has to log in again; that an open page keeps itself up"
            " to date is no use. 5 to 1440 are possible. After 14 days everybody has to."
        ),
        error_messages=dict.fromkeys(
            ["required", "invalid", "min_value", "max_value"], _("Enter a whole number of minutes from 5 to 1440.")
        ),
    )

    backup_enabled = OnOffField(
        label=_("Make backups by itself"),
        help_text=_(
            "Into the directory that PBXCERTS_BACKUPS names, encrypted for the public keys below. The first one is made at once."
        ),
    )
    backup_days = _number(
        _("Backup every (days)"),
        BACKUP_DAYS,
        _("1 to 31 are possible. When the last good backup is older by half, there is an event message."),
    )
    backup_time = forms.TimeField(
        label=_("Backup at (time)"),
        input_formats=["%H:%M"],
        help_text=_("In the time zone above. Nothing stops meanwhile."),
        error_messages={"invalid": _("Enter a time as in 03:30."), "required": _("Enter a time as in 03:30.")},
    )
    backup_keep = _number(
        _("Backups to keep"),
        BACKUP_KEEP,
        _("1 to 1000. Older backups of this installation are deleted after each good one."),
    )
    backup_recipients = ListField(
        label=_("Public keys for backups"),
        parse=clean_recipient,
        most=MOST_RECIPIENTS,
        rows=2,
        help_text=_(
            "As age-keygen prints them (age1…), one a line. Make the pair of keys on another machine and keep the private one there:"
            " without it nobody can restore a backup, and with it anybody can."
        ),
    )

    def __init__(self, data: Any = None, *, row: VersionedSettings) -> None:
        super().__init__(data, row=row)
        self.initial["backup_time"] = f"{self.initial['backup_time']:%H:%M}"

    def layout(self) -> list[Parameters | str]:
        return [
            "version",
            Parameters(_("Date and time"), "time_zone"),
            Parameters(_("Time synchronisation with time servers (NTP)"), "ntp_enabled", "ntp_servers"),
            Parameters(
                _("Communication server"),
                "site_name",
                "system_id",
                "fqdn",
                "dns_names",
                "ip_addresses",
                "on_this_machine",
                "tls_addresses",
            ),
            FoldedParameters("access", _("Access of terminals to pbxcerts"), "own_names", "own_addresses"),
            FoldedParameters("language", _("System language"), "language", "swiss_spelling"),
            FoldedParameters("security", _("Security"), "redirect_to_https", "logout_after_minutes"),
            FoldedParameters(
                "backups",
                _("Backup"),
                "backup_enabled",
                "backup_days",
                "backup_time",
                "backup_keep",
                "backup_recipients",
            ),
        ]

    def offer(self, *, names: list[str], addresses: list[str], ntp_servers: list[str]) -> None:
        """Show what this machine has beside the fields where it can be taken over."""
        self.fields["ntp_servers"].offers = ntp_servers  # type: ignore[attr-defined]
        self.fields["dns_names"].offers = names  # type: ignore[attr-defined]
        self.fields["ip_addresses"].offers = addresses  # type: ignore[attr-defined]

    def clean_redirect_to_https(self) -> bool:
        wanted: bool = self.cleaned_data["redirect_to_https"]
        if wanted and not self.initial["redirect_to_https"] and run_files.https_port() is None:
            raise ValidationError(
                _(
                    "The panel does not answer over HTTPS now, so a redirect would lead nowhere. It does once pbxcerts was"
                    " started with --bind-https and a pair is active."
                ),
                code="https_closed",
            )
        return wanted

    def clean(self) -> None:
        if self.cleaned_data.get("ntp_enabled") and self.cleaned_data.get("ntp_servers") == []:
            self.add_error(
                "ntp_servers",
                ValidationError(
                    _("Enter at least one NTP server, or switch the NTP service off."), code="ntp_servers_missing"
                ),
            )
        if self.cleaned_data.get("backup_enabled"):
            self._clean_backups()
        fqdn = self.cleaned_data.get("fqdn")
        if fqdn and fqdn in self.cleaned_data.get("dns_names", []):
            self.add_error(
                "dns_names",
                ValidationError(
                    _("“%(value)s” is the name of the communication server already."),
                    code="duplicate",
                    params={"value": fqdn},
                ),
            )

    def _clean_backups(self) -> None:
        if settings.BACKUPS is None:
            self.add_error(
                "backup_enabled",
                ValidationError(
                    _(
                        "PBXCERTS_BACKUPS is not set: it must name the directory for the backups, and pbxcerts be started with it."
                    ),
                    code="no_place",
                ),
            )
        if self.cleaned_data.get("backup_recipients") == []:
            self.add_error(
                "backup_recipients",
                ValidationError(_("Enter at least one public key: a backup is always encrypted."), code="no_recipient"),
            )
