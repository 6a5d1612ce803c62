"""The forms of destinations, one for each kind, and of the watchdog. A credential that is stored is never in a form."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.forms.entries import ListField, SeenField, clean_endpoint, clean_tls_address
from pbxcerts.system.forms.versioned import in_words, tell_overtaken
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.notifications.entered_urls import check_apprise_url, clean_http_url
from pbxcerts.system.notifications.models import Destination
from pbxcerts.system.notifications.transports.http import shown_url
from pbxcerts.system.pages.form_layout import ParameterForm, Parameters

RECIPIENTS_AT_MOST = 20
FACILITIES = [
    ("daemon", "daemon"),
    ("user", "user"),
    ("auth", "auth"),
    *((f"local{number}", f"local{number}") for number in range(8)),
]
WELL_KNOWN_PORTS = {"starttls": 587, "tls": 465, "none": 25}
OF_EVERY_KIND = (*("name", "enabled", "least_severity", "positive", "timing", "digest_at", "in_advance", "language"),)
NO_SPELLING = {"autocapitalize": "off", "spellcheck": "false", "autocomplete": "off"}


def clean_email(text: str) -> str:
    EmailValidator(message=_("“%(value)s” is not an e-mail address."))(text)
    return text


def hidden_text(**attributes: str) -> forms.PasswordInput:
    """A control whose content nobody sees, and which browsers don't fill in with a password of this panel."""
    return forms.PasswordInput(attrs={**NO_SPELLING, "autocomplete": "new-password", **attributes})


class DestinationForm(ParameterForm, forms.ModelForm):  # type: ignore[type-arg]
    """What all kinds have in common. `of_kind` names the fields of this kind that are stored in `options`, `how` those and its
    secrets in the order of the page."""

    of_kind: tuple[str, ...] = ()
    how: tuple[str, ...] = ()

    class Meta:
        model = Destination
        fields = OF_EVERY_KIND
        help_texts = {
            "name": _("As the pages call it."),
            "enabled": _("Off: nothing is sent there, and what waits is dropped."),
            "least_severity": _("This severity and those above it."),
            "language": _("In which event messages are written there."),
            "positive": _("When something that was told is over, that is told too."),
            "timing": _(
                "At once: within a minute; what happens within one minute goes together. Once a day: with all that is still"
                " open and with what comes."
            ),
            "digest_at": _("In the time zone of System / General. Only for once a day."),
            "in_advance": _(
                "Seven days and one day before a generation or the deadline of a handover: which telephones restart in which"
                " night, and who needs a hand until when."
            ),
        }
        widgets = {"digest_at": forms.TimeInput(format="%H:%M", attrs={"type": "time"})}

    def __init__(self, data: Any = None, *, instance: Destination) -> None:
        super().__init__(data, instance=instance)
        for name in self.of_kind:
            if name in instance.options:
                self.initial[name] = instance.options[name]
        if not self.is_new:
            self.fields["version"] = SeenField()
            self.initial["version"] = instance.version

    def layout(self) -> list[Parameters | str]:
        return [
            *(name for name in self.fields if name == "version"),
            Parameters(_("Where"), "name", "enabled", *self.how),
            Parameters(_("What and when"), *OF_EVERY_KIND[2:]),
        ]

    def compare_with(self, row: Destination) -> None:
        """Somebody else has saved `row` meanwhile: show where it differs from what is typed, and keep what is typed."""
        held = {name: getattr(row, name) for name in OF_EVERY_KIND} | {name: row.options[name] for name in self.of_kind}
        differing = {name: value for name, value in held.items() if self.cleaned_data[name] != value}
        stored = {name: in_words(row, name, value) for name, value in differing.items()}
        tell_overtaken(self, version=row.version, stored=stored)

    @property
    def is_new(self) -> bool:
        return self.instance.pk is None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            self.instance.options = {name: cleaned[name] for name in self.of_kind}
        return cleaned


class EmailForm(DestinationForm):
    of_kind = ("host", "port", "encryption", "user", "sender", "recipients")
    how = ("host", "encryption", "port", "user", "password", "sender", "recipients")

    host = forms.CharField(
        label=_("mail server"),
        max_length=253,
        help_text=_("Its name, as it stands in its certificate."),
        widget=forms.TextInput(attrs=NO_SPELLING),
    )
    encryption = forms.ChoiceField(
        label=_("encryption"),
        choices=[("starttls", "STARTTLS"), ("tls", "TLS"), ("none", _("none"))],
        initial="starttls",
        help_text=_("The certificate of the mail server must be trusted by the operating system of this machine."),
    )
    port = forms.IntegerField(
        label=_("port"),
        required=False,
        min_value=1,
        max_value=65535,
        help_text=_("Empty: 587 with STARTTLS, 465 with TLS, 25 without encryption."),
    )
    user = forms.CharField(
        label=_("user of the mail account"),
        required=False,
        max_length=128,
        help_text=_("Empty: the mail server wants no log-in."),
        widget=forms.TextInput(attrs=NO_SPELLING),
    )
    password = forms.CharField(
        label=_("password of the mail account"),
        required=False,
        max_length=256,
        strip=False,
        widget=hidden_text(),
        help_text=_("It is stored encrypted and never shown. Empty: the one that is stored stays."),
    )
    sender = forms.EmailField(
        label=_("sender"),
        max_length=254,
        help_text=_("The address that the mail comes from; the mail server must allow it."),
    )
    recipients = ListField(
        label=_("recipients"), parse=clean_email, most=RECIPIENTS_AT_MOST, help_text=_("A line for each address.")
    )

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"].strip()
        return Endpoint.parse(clean_tls_address(str(Endpoint(host, 1)))).host

    def clean_recipients(self) -> list[str]:
        recipients: list[str] = self.cleaned_data["recipients"]
        if not recipients:
            raise ValidationError(_("Enter at least one recipient."), code="required")
        return recipients

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        cleaned["port"] = cleaned["port"] or WELL_KNOWN_PORTS[cleaned["encryption"]]
        before = {} if self.is_new else Destination.objects.values_list("options", flat=True).get(pk=self.instance.pk)
        self.instance.options = {name: cleaned[name] for name in self.of_kind}
        password = cleaned["password"]
        if cleaned["user"] and cleaned["encryption"] == "none" and not _is_loopback(cleaned["host"]):
            self.add_error(
                "encryption", _("Without encryption the password could be read on the network: choose STARTTLS or TLS.")
            )
        elsewhere = any(before.get(name) != cleaned[name] for name in ("host", "port", "encryption", "user"))
        if cleaned["user"] and not password and (elsewhere or not self.instance.secret):
            self.add_error("password", _("Enter the password: none is stored for this server and this user."))
        if not cleaned["user"] and password:
            self.add_error("user", _("Enter the user whose password this is."))
        if password or not cleaned["user"]:
            self.instance.secret = password
        return cleaned


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SyslogForm(DestinationForm):
    of_kind = how = ("transport", "server", "socket", "facility", "enterprise")

    transport = forms.ChoiceField(
        label=_("way"),
        choices=[("udp", "UDP"), ("socket", _("socket of this machine"))],
        initial="udp",
        help_text=_(
            "Messages by RFC 5424. UDP tells nobody whether they arrive. For TLS let the syslog service of this machine, such as"
            " rsyslog, forward them."
        ),
    )
    server = forms.CharField(
        label=_("server"),
        required=False,
        max_length=270,
        help_text=_("Name or address, and port if it is not 514."),
        widget=forms.TextInput(attrs=NO_SPELLING),
    )
    socket = forms.CharField(
        label=_("socket"),
        required=False,
        max_length=100,
        initial="/dev/log",
        widget=forms.TextInput(attrs=NO_SPELLING),
        help_text=_("A socket of the syslog service that takes RFC 5424."),
    )
    facility = forms.ChoiceField(
        label=_("facility"),
        choices=FACILITIES,
        initial="daemon",
        help_text=_("By which the syslog service sorts messages; daemon is usual for a service."),
    )
    enterprise = forms.IntegerField(
        label=_("private enterprise number"),
        min_value=1,
        max_value=2**31 - 1,
        initial=32473,
        help_text=_(
            "It stands after the sign @ in the name of the structured data. pbxcerts has none of its own: 32473 is that of"
            " examples (RFC 5612). Enter the one of your organisation if it has one."
        ),
    )

    def clean_server(self) -> str:
        text: str = self.cleaned_data["server"].strip()
        if not text:
            return ""
        endpoint = clean_endpoint(text, lambda said: Endpoint.parse(said, default_port=514))
        return clean_tls_address(str(endpoint))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        if cleaned["transport"] == "udp":
            cleaned["socket"] = ""
            if not cleaned["server"]:
                self.add_error("server", _("Enter the server."))
        else:
            cleaned["server"] = ""
            if not cleaned["socket"].startswith("/"):
                self.add_error("socket", _("Enter the path of the socket, as in /dev/log."))
        self.instance.options = {name: cleaned[name] for name in self.of_kind}
        return cleaned


class UrlForm(DestinationForm):
    """A destination that is a URL, which is a secret as a whole."""

    how = ("url",)

    url = forms.CharField(
        label="URL",
        required=False,
        max_length=2000,
        widget=hidden_text(),
        help_text=_(
            "It is stored encrypted and never shown, because it may hold a password. Empty: the one that is stored stays."
        ),
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if not url and not self.instance.url:
            raise ValidationError(_("Enter the URL."), code="required")
        return url

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            self.instance.options = dict(self.initial.get("options") or self._options())
            if cleaned["url"]:
                self.instance.url = cleaned["url"]
                self.instance.options = {"shown": self.shown(cleaned["url"])}
        return cleaned

    def _options(self) -> dict[str, Any]:
        if self.is_new:
            return {}
        stored: dict[str, Any] = Destination.objects.values_list("options", flat=True).get(pk=self.instance.pk)
        return stored

    def shown(self, url: str) -> str:
        """What a page may show of it."""
        return shown_url(url)


class WebhookForm(UrlForm):
    def clean_url(self) -> str:
        url = super().clean_url()
        return clean_http_url(url) if url else ""


class AppriseForm(UrlForm):
    url = forms.CharField(
        label=_("URL of Apprise"),
        required=False,
        max_length=2000,
        widget=hidden_text(),
        help_text=_(
            "As Apprise has it for each service, for example slack://…, msteams://…, matrixs://…, tgram://…. It is stored encrypted"
            " and never shown. Empty: the one that is stored stays."
        ),
    )

    def clean_url(self) -> str:
        url = super().clean_url()
        if not url:
            return ""
        self.service = check_apprise_url(url)
        return url

    def shown(self, url: str) -> str:
        return f"{self.service} ({url.partition('://')[0]}://…)"


class WatchdogForm(ParameterForm, forms.Form):
    url = forms.CharField(
        label="URL",
        required=False,
        max_length=2000,
        widget=hidden_text(),
        help_text=_(
            "As healthchecks.io, Uptime Kuma and others give it. It is called after each heartbeat that succeeded, once a minute,"
            " and with /fail at its end where one has failed. Set an alarm there after 10 minutes of silence."
        ),
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if not url:
            raise ValidationError(_("Enter the URL."), code="required")
        return clean_http_url(url)


FORMS: dict[str, type[DestinationForm]] = {
    Destination.Kind.EMAIL: EmailForm,
    Destination.Kind.SYSLOG: SyslogForm,
    Destination.Kind.WEBHOOK: WebhookForm,
    Destination.Kind.APPRISE: AppriseForm,
}


def sentences(form: forms.BaseForm) -> Iterator[str]:
    """What is wrong, for a command."""
    for name, errors in form.errors.items():
        yield f"{name}: {' '.join(str(error) for error in errors)}"
