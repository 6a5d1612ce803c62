"""Fields of a terminal. `clean` returns each value in the one form in which it is stored; page and CSV file share them."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.forms.entries import SwitchField, address, tls_address
from terminals.drivers.mitel_configuration import ConfigurationCode, LinesError, mac_of, own_lines
from terminals.models import TerminalType

LINES = {
    ConfigurationCode.LINE_SYNTAX: _("Line %(line)s is not of the form “name: value”."),
    ConfigurationCode.LINE_IS_OURS: _("Line %(line)s sets what pbxcerts sets itself."),
    ConfigurationCode.LINE_HOLDS_SECRET: _(
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
                params={"value": text},
            )
        return text


class MacField(forms.CharField):
    """Twelve upper-case hex digits; None where it is empty, for several terminals may have none."""

    def to_python(self, value: Any) -> str | None:
        text = super().to_python(value)
        if not text:
            return None
        mac = mac_of(text)
        if mac is None:
            raise ValidationError(
                _("“%(value)s” is not a MAC address: twelve digits 0 to 9 and A to F, with or without separators."),
                code="mac",
                params={"value": text},
            )
        return mac


class AddressField(forms.CharField):
    """`192.0.2.7`, `192.0.2.7:5062`, `2001:db8::7` or `[2001:db8::7]:5062`; "" where it is not known."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        if not text:
            return ""
        has_port = (text.startswith("[") and not text.endswith("]")) or text.count(":") == 1
        if not has_port:
            return address(text.removeprefix("[").removesuffix("]"))
        host, _colon, _port = text.rpartition(":")
        # A terminal is reached by its address: who resolves a name, and to what, is not known at the time of a NOTIFY.
        address(host.removeprefix("[").removesuffix("]"))
        return tls_address(text)


class EnabledField(SwitchField):
    """As spreadsheets and people write it, in both languages of the panel."""

    words = SwitchField.words | {"ja": True, "wahr": True, "nein": False, "falsch": False, "aus": False, "ein": True}


class OwnLinesField(forms.CharField):
    """Lines of a configuration file, for `terminals.drivers.mitel_configuration.own_lines` to judge."""

    def __init__(self, *, path_is_secret: bool, **kwargs: Any) -> None:
        attributes = {"rows": 4, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        super().__init__(required=False, widget=forms.Textarea(attrs=attributes), max_length=20_000, **kwargs)
        self.path_is_secret = path_is_secret

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            own_lines(text, path_is_secret=self.path_is_secret)
        except LinesError as error:
            raise ValidationError(LINES[error.code], code=error.code, params={"line": error.line}) from error
        return text


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
                params={"value": text},
            ) from None
