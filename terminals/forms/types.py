"""The form of a terminal type."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.form_layout import ParameterForm, Parameters
from terminals.forms.entries import OwnLinesField
from terminals.models import Methods, TerminalType, TrustFormats, Wants

# RFC 6665 8.4: an event type is a token, with parameters after it.
EVENT = r"^[A-Za-z0-9.!%*_+`'~-]+(;[A-Za-z0-9.!%*_+`'~-]+(=[A-Za-z0-9.!%*_+`'~-]+)?)*$"


class TypeForm(ParameterForm, forms.ModelForm):  # type: ignore[type-arg]
    event = forms.RegexField(
        label=_("event string of the notification"),
        regex=EVENT,
        required=False,
        max_length=64,
        error_messages={"invalid": _("An event string looks like check-sync or check-sync;reboot=false.")},
        help_text=_(
            "For example check-sync;reboot=true. Empty: that of the method; a SIP standard terminal is not notified."
        ),
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )
    size_limit = forms.IntegerField(
        label=_("largest file (bytes)"),
        required=False,
        min_value=256,
        max_value=10_000_000,
        help_text=_(
            "Empty: none is known. A bundle that is larger goes without its host certificates, then without those of the pair"
            " served before."
        ),
    )
    own_lines = OwnLinesField(
        label=_("own lines of the configuration file"),
        path_is_secret=False,
        help_text=_(
            "Only for Mitel SIP phones: lines “name: value” that go into the files of all terminals of this type."
        ),
    )

    class Meta:
        model = TerminalType
        fields = [
            *("name", "manufacturer", "model", "method", "event", "way", "waits_for_idle"),
            *("wants", "trust_format", "size_limit", "holds_only_one"),
            *("guide_de", "guide_en", "source", "verified", "own_lines"),
        ]
        help_texts = {
            "model": _("A telephone that names itself so in its User-Agent is offered with this type."),
            "method": _(
                "IP system phone: exchanged in service, without disturbance. Mitel SIP phone: loads by itself and restarts."
                " SIP standard terminal: a person installs the file."
            ),
            "way": _("A telephone with a lasting TLS connection takes it only through the communication server."),
            "waits_for_idle": _("Off: a restart ends a call."),
            "wants": _("Most telephones want the root certificate."),
            "trust_format": _(
                "DER holds one certificate: that of the pair that is being handed out. A terminal that lacks the one that the"
                " server presents now gets that first."
            ),
            "holds_only_one": _(
                "On: it is due at the switch, not before, and has a gap then. No handover waits for it."
            ),
            "guide_de": _("Menu path or parameter, format, restart."),
            "guide_en": _("Menu path or parameter, format, restart."),
            "source": _("Where the guide comes from."),
            "verified": _("On: somebody has followed the guide on such a device."),
        }
        widgets = {"guide_de": forms.Textarea(attrs={"rows": 8}), "guide_en": forms.Textarea(attrs={"rows": 8})}

    def layout(self) -> list[Parameters | str]:
        return [
            Parameters(_("Type"), "name", "manufacturer", "model"),
            Parameters(_("Delivery"), "method", "event", "way", "waits_for_idle"),
            Parameters(_("Certificates"), "wants", "trust_format", "size_limit", "holds_only_one"),
            Parameters(_("Guide"), "guide_de", "guide_en", "source", "verified"),
            Parameters(_("Configuration file"), "own_lines"),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("wants") == Wants.BUNDLE and cleaned.get("trust_format") == TrustFormats.DER:
            self.add_error(
                "trust_format",
                ValidationError(_("DER holds one certificate, a trust bundle holds several."), code="der_bundle"),
            )
        if cleaned.get("method") == Methods.MITEL_SIP and cleaned.get("trust_format") not in {None, TrustFormats.PEM}:
            self.add_error(
                "trust_format", ValidationError(_("Mitel SIP phones read PEM only."), code="mitel_reads_pem")
            )
        return cleaned
