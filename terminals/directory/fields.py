"""Fields of a terminal. `clean` returns each value in the one form in which it is stored; page and CSV file share them."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.forms.entries import OnOffField, clean_address, clean_endpoint
from pbxcerts.system.network.endpoint import Endpoint, EndpointFault
from pbxcerts.system.pages.invisible import shown
from terminals.drivers.base import DeliveryDriver, mac_of
from terminals.drivers.configuration import ConfigurationFault, OwnLines, OwnLinesError
from terminals.drivers.registry import PROVISIONED_METHODS, driver_of
from terminals.mac_words import with_colons
from terminals.models import TerminalType

LINES = {
    ConfigurationFault.LINE_SYNTAX: _("Line %(line)s is not of the form “%(form)s”."),
    ConfigurationFault.LINE_IS_OURS: _("Line %(line)s sets what pbxcerts sets itself."),
    ConfigurationFault.LINE_HOLDS_SECRET: _(
        "Line %(line)s holds a password: it may stand only among the own lines of a single terminal."
    ),
}
# What the user part of a SIP URI holds unescaped, less what makes a cell a formula.
_NUMBER = re.compile(r"\+?[0-9A-Za-z*][0-9A-Za-z*._-]*", re.ASCII)


class NumberField(forms.CharField):
    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        if text and not _NUMBER.fullmatch(text):
            raise ValidationError(
                _("“%(value)s” is not a call number: digits, letters, * . _ - and a + before them."),
                code="number",
                params={"value": shown(text)},
            )
        return text


class MacField(forms.CharField):
    """Twelve upper-case hex digits; None where it is empty, for several terminals may have none."""

    def prepare_value(self, value: Any) -> Any:
        return with_colons(value) if isinstance(value, str) else value

    def to_python(self, value: Any) -> str | None:
        text = super().to_python(value)
        if not text:
            return None
        mac = mac_of(text)
        if mac is None:
            raise ValidationError(
                _("“%(value)s” is not a MAC address: twelve digits 0 to 9 and A to F, with or without separators."),
                code="mac",
                params={"value": shown(text)},
            )
        return mac


class AddressField(forms.CharField):
    """`192.0.2.7`, `192.0.2.7:5062`, `2001:db8::7` or `[2001:db8::7]:5062`; "" where it is not known."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        if not text:
            return ""
        # A terminal is reached by its address: who resolves a name, and to what, is not known at the time of a NOTIFY.
        try:
            endpoint = clean_endpoint(text)
        except ValidationError as error:
            if error.code == EndpointFault.PORT:
                raise
            return clean_address(text)
        return str(Endpoint(clean_address(endpoint.host), endpoint.port))


class EnabledField(OnOffField):
    """As spreadsheets and people write it, in both languages of the panel."""

    words = OnOffField.words | {"ja": True, "wahr": True, "nein": False, "falsch": False, "aus": False, "ein": True}


class OwnLinesField(forms.CharField):
    """Lines of a configuration file. Only the driver of the terminal's type can judge them (`judge_own_lines`)."""

    def __init__(self, *, path_is_secret: bool, **kwargs: Any) -> None:
        attributes = {"rows": 4, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        super().__init__(required=False, widget=forms.Textarea(attrs=attributes), max_length=20_000, **kwargs)
        self.path_is_secret = path_is_secret


def judge_own_lines(form: forms.BaseForm, driver: DeliveryDriver) -> None:
    """Add to the form what the driver has against its own lines. Where there are none for its terminals they are those of another
    method that a type may get some day.
    """
    field, text = form.fields["own_lines"], form.cleaned_data.get("own_lines", "")
    assert isinstance(field, OwnLinesField)  # noqa: S101 - both forms have one
    judges = _judges([driver.name]) or _judges(PROVISIONED_METHODS)
    refusals = []
    for judge in judges:
        try:
            judge.checked(text, path_is_secret=field.path_is_secret)
        except OwnLinesError as error:
            refusals.append((error, judge.form))
    if refusals and len(refusals) == len(judges):
        first, looks = refusals[0]
        params = {"line": first.line, "form": looks}
        form.add_error("own_lines", ValidationError(LINES[first.fault], code=first.fault, params=params))


def hold_secret(text: str) -> bool:
    """Whether one of these own lines holds a password, whatever the method of the type is at present (rule own-lines)."""
    judges = _judges(PROVISIONED_METHODS)
    return any(judge.hold_secret(line.strip()) for line in text.splitlines() for judge in judges)


def _judges(methods: Iterable[str]) -> list[OwnLines]:
    files = [driver_of(method).files for method in methods]
    return [one.own_lines for one in files if one is not None and one.own_lines is not None]


class TypeNameField(forms.CharField):
    """The name of a terminal type, whatever its capitals; cleans to the type. `types`: each by its name in lower case."""

    def __init__(self, *, types: dict[str, TerminalType], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.types = types

    def to_python(self, value: Any) -> TerminalType | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        try:
            return self.types[text.lower()]
        except KeyError:
            raise ValidationError(
                _("There is no terminal type “%(value)s”; their names stand under “Terminal types”."),
                code="type",
                params={"value": shown(text)},
            ) from None
