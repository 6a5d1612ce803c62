"""Fields for names, addresses and lists of them. `clean` returns them in the one form in which they are stored."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from certificates.pki.errors import IdentityCode, IdentityError
from certificates.pki.identity import parse_address, parse_dns_name
from pbxcerts.system import age_keys
from pbxcerts.system.network.endpoint import Endpoint, EndpointError, EndpointFault
from pbxcerts.system.pages.invisible import shown
from pbxcerts.system.time import ntp

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as LazyText

IDENTITY_ERRORS: "dict[IdentityCode, LazyText]" = {
    IdentityCode.DNS_EMPTY: _("Enter a name."),
    IdentityCode.DNS_SPACE: _("“%(value)s” contains a space, which no host name may have."),
    IdentityCode.DNS_UNDERSCORE: _("“%(value)s” contains an underscore, which no host name may have."),
    IdentityCode.DNS_WILDCARD: _("“%(value)s” is a wildcard. Telephones compare the whole name: enter each name."),
    IdentityCode.DNS_CHARACTER: _("“%(value)s” contains a character other than letters, digits, hyphens and dots."),
    IdentityCode.DNS_HYPHEN: _("In “%(value)s” a part between two dots begins or ends with a hyphen."),
    IdentityCode.DNS_LABEL_EMPTY: _("“%(value)s” has a dot too many."),
    IdentityCode.DNS_LABEL_TOO_LONG: _("In “%(value)s” a part between two dots has more than 63 characters."),
    IdentityCode.DNS_TOO_LONG: _("“%(value)s” has more than 253 characters."),
    IdentityCode.DNS_IS_ADDRESS: _("“%(value)s” is an address or ends in a number. Enter addresses as IP addresses."),
    IdentityCode.DNS_IDNA: _("“%(value)s” can't be written as an international domain name."),
    IdentityCode.DNS_IDNA_AMBIGUOUS: _(
        "“%(value)s” has a character that old and new devices write differently. Enter the form with “xn--”."
    ),
    IdentityCode.ADDRESS_EMPTY: _("Enter an address."),
    IdentityCode.ADDRESS_SYNTAX: _("“%(value)s” is not an IPv4 or IPv6 address."),
    IdentityCode.ADDRESS_SCOPE: _("“%(value)s” names an interface of one machine after the sign %%: leave that out."),
    IdentityCode.ADDRESS_UNSPECIFIED: _("“%(value)s” stands for any address: enter the one that telephones use."),
    IdentityCode.ADDRESS_MULTICAST: _("“%(value)s” is a multicast address: enter the one that telephones use."),
    IdentityCode.ADDRESS_BROADCAST: _("“%(value)s” is a broadcast address: enter the one that telephones use."),
}
ENDPOINT_ERRORS: "dict[EndpointFault, LazyText]" = {
    EndpointFault.EMPTY: _("Enter an address."),
    EndpointFault.HOST: _("“%(value)s” is not a name or address of a server."),
    EndpointFault.PORT_MISSING: _("“%(value)s” needs a port, for example pbx.example.com:5061 or [2001:db8::1]:5061."),
    EndpointFault.PORT: _("The port in “%(value)s” is not a number from 1 to 65535."),
}


class SeenField(forms.IntegerField):
    """A hidden number that only grows: it says which state was on the screen when the form was made.

    A value that no page of ours can have sent is an error, and the form that is shown again holds the present number.
    """

    widget = forms.HiddenInput
    _NOT_OURS = _("This page was out of date. Nothing was done; your entries are kept. Check and send them again.")

    def __init__(self) -> None:
        super().__init__(
            min_value=0, error_messages=dict.fromkeys(["required", "invalid", "min_value"], self._NOT_OURS)
        )

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            self.clean(data)
        except ValidationError:
            return initial
        return data


def clean_dns_name(text: str) -> str:
    """A name as certificates hold it. Raises ValidationError."""
    try:
        return parse_dns_name(text)
    except IdentityError as error:
        raise _invalid(error.code, IDENTITY_ERRORS[error.code], text) from error


def clean_address(text: str) -> str:
    """An address in its shortest spelling. Raises ValidationError."""
    try:
        return str(parse_address(text))
    except IdentityError as error:
        raise _invalid(error.code, IDENTITY_ERRORS[error.code], text) from error


def clean_ntp_server(text: str) -> str:
    """`host`, or `host:port` where the port is not 123. Raises ValidationError."""
    endpoint = clean_endpoint(text, ntp.parse_ntp_server)
    return endpoint.host if endpoint.port == ntp.NTP_PORT else str(endpoint)


def clean_tls_address(text: str) -> str:
    """`host:port` or `[IPv6]:port`. Raises ValidationError."""
    endpoint = clean_endpoint(text)
    return str(Endpoint(_host(endpoint.host), endpoint.port))


def clean_recipient(text: str) -> str:
    """A public key for backups. Raises ValidationError."""
    if not age_keys.is_recipient(text):
        # Whoever mistakes the keys does not read the private one on the page.
        raise _invalid("recipient", _("“%(value)s” is no public key as age-keygen prints it (age1…)."), f"{text[:8]}…")
    return text


def clean_endpoint(text: str, parse: Callable[[str], Endpoint] = Endpoint.parse) -> Endpoint:
    """A host and a port; the host is not judged yet. Raises ValidationError, whose code is an EndpointFault."""
    try:
        return parse(text)
    except EndpointError as error:
        raise _invalid(error.fault, ENDPOINT_ERRORS[error.fault], text) from error


def _host(text: str) -> str:
    try:
        return parse_dns_name(text)
    except IdentityError as error:
        if error.code is not IdentityCode.DNS_IS_ADDRESS:
            raise _invalid(error.code, IDENTITY_ERRORS[error.code], text) from error
        return clean_address(text)


def _invalid(code: str, message: "LazyText", text: str) -> ValidationError:
    return ValidationError(message, code=code, params={"value": shown(text.strip())})


class DnsNameField(forms.CharField):
    """One name; "" where none is set."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return clean_dns_name(text) if text else ""


class ListField(forms.CharField):
    """Entries with a line each, or with commas between them; each is parsed by `parse` and stands once. Cleans to a list."""

    def __init__(self, *, parse: Callable[[str], str], most: int, rows: int = 3, **kwargs: Any) -> None:
        attributes = {"rows": rows, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        super().__init__(required=False, widget=forms.Textarea(attrs=attributes), **kwargs)
        self.parse = parse
        self.most = most
        self.offers: Sequence[str] = ()

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        texts = [text.strip() for text in str(value or "").replace(",", "\n").splitlines()]
        entries: list[str] = []
        errors: list[ValidationError] = []
        for text in filter(None, texts):
            try:
                entry = self.parse(text)
            except ValidationError as error:
                errors.append(error)
                continue
            if entry in entries:
                errors.append(_invalid("duplicate", _("“%(value)s” stands here twice."), text))
            entries.append(entry)
        if len(entries) > self.most:
            errors.append(ValidationError(_("At most %(most)s entries."), code="too_many", params={"most": self.most}))
        if errors:
            raise ValidationError(errors)
        return entries

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class OnOffWidget(forms.CheckboxInput):
    """A box that is ticked or not; on the command line a word, which the field judges."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name, False)


class OnOffField(forms.BooleanField):
    """On or off. Whatever is neither is an error, never "on"."""

    widget = OnOffWidget
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def to_python(self, value: Any) -> bool:
        word = str(value).strip().lower()
        if word not in self.words:
            raise _invalid("switch", _("“%(value)s” is neither “true” nor “false”."), str(value))
        return self.words[word]
