"""The form of System / General. The command line sets the same parameters through it."""

from functools import cache
from itertools import groupby
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pbxcerts import listeners
from pbxcerts.system.form_layout import Parameters
from pbxcerts.system.forms.entries import (
    DnsNameField,
    ListField,
    SwitchField,
    address,
    dns_name,
    ntp_server,
    tls_address,
)
from pbxcerts.system.forms.versioned import VersionedForm

MOST_NTP_SERVERS = 4
MOST_TLS_ADDRESSES = 4
# Telephones with little memory have to read every name of a certificate.
MOST_NAMES = 50


@cache
def time_zones() -> list[tuple[str, str | Promise | list[tuple[str, str]]]]:
    """Every zone of the IANA database, by region as <optgroup>."""
    zones = sorted(available_timezones() - {"localtime", "Factory"})
    regions = sorted((zone for zone in zones if "/" in zone), key=lambda zone: zone.partition("/")[0])
    grouped: list[tuple[str, str | Promise | list[tuple[str, str]]]] = [
        (region, [(zone, zone.partition("/")[2].replace("_", " ")) for zone in members])
        for region, members in groupby(regions, key=lambda zone: zone.partition("/")[0])
    ]
    return [*grouped, (_("Other"), [(zone, zone) for zone in zones if "/" not in zone])]  # type: ignore[list-item]


class GeneralForm(VersionedForm):
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=time_zones,
        help_text=_("Decides when “Generate certificates at (time)” comes. Summer time is changed automatically."),
        error_messages={"invalid_choice": _("“%(value)s” is not a time zone, for example Europe/Berlin.")},
    )
    ntp_enabled = SwitchField(
        label=_("NTP service"),
        help_text=_(
            "Mandatory for the automatic renewal: a certificate's dates are only as right as the clock they come from."
        ),
    )
    ntp_servers = ListField(
        label=_("NTP servers"),
        parse=ntp_server,
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
        help_text=_("Stands in the title bar and in the names of exported files."),
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
        help_text=_("The full name that terminals are configured with. The certificates' subject carries it."),
    )
    dns_names = ListField(
        label=_("Further DNS names"),
        parse=dns_name,
        most=MOST_NAMES,
        help_text=_("All other names under which terminals reach the communication server, one a line."),
    )
    ip_addresses = ListField(
        label=_("IP addresses"),
        parse=address,
        most=MOST_NAMES,
        help_text=_(
            "The communication server's IPv4 and IPv6 addresses, one a line. When one changes, generate the certificates again."
        ),
    )
    on_this_machine = SwitchField(
        label=_("The communication server is this machine"),
        help_text=_("On: you are warned when none of its addresses is on an interface here any more."),
    )
    tls_addresses = ListField(
        label=_("TLS addresses to look at"),
        parse=tls_address,
        most=MOST_TLS_ADDRESSES,
        help_text=_(
            "Up to four, as host:port, one a line. After a switch they are looked at: if the new certificate does not"
            " appear, the old pair comes back. Empty: switches are not verified."
        ),
    )
    own_names = ListField(
        label=_("Names of pbxcerts"),
        parse=dns_name,
        most=MOST_NAMES,
        help_text=_("Only where terminals reach pbxcerts under other names than the communication server."),
    )
    own_addresses = ListField(
        label=_("Addresses of pbxcerts"),
        parse=address,
        most=MOST_NAMES,
        help_text=_("Only where terminals reach pbxcerts under other addresses than the communication server."),
    )
    language = forms.ChoiceField(
        label=_("System language"),
        choices=settings.LANGUAGES,
        help_text=_("For the pages of everybody who has not chosen another language, and for the command line."),
    )
    redirect_to_https = SwitchField(
        label=_("Redirect to HTTPS"),
        help_text=_("Can be switched on while the panel also answers over HTTPS (start option “bind-https”)."),
    )

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
            Parameters(_("Access of terminals to pbxcerts"), "own_names", "own_addresses"),
            Parameters(_("System language"), "language"),
            Parameters(_("Security"), "redirect_to_https"),
        ]

    def offer(self, *, names: list[str], addresses: list[str]) -> None:
        """Show what this machine has beside the fields where it can be taken over."""
        self.fields["dns_names"].offers = names  # type: ignore[attr-defined]
        self.fields["ip_addresses"].offers = addresses  # type: ignore[attr-defined]

    def clean_redirect_to_https(self) -> bool:
        wanted: bool = self.cleaned_data["redirect_to_https"]
        if wanted and not self.initial["redirect_to_https"] and listeners.https_port() is None:
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
