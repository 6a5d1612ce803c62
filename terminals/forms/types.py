"""The form of a terminal type."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from certificates.models import Generation
from pbxcerts.system.pages.form_layout import FoldedParameters, ParameterForm, Parameters
from terminals.directory import kept_passwords
from terminals.directory.fields import OwnLinesField, judge_own_lines
from terminals.drivers.base import DeliveryDriver
from terminals.drivers.registry import driver_of, drivers
from terminals.forms.password_warning import PasswordWarning
from terminals.models import Installation, Terminal, TerminalType, TrustContents, TrustFormats

# RFC 6665 8.4: an event type is a token, with parameters after it.
EVENT = r"^[A-Za-z0-9.!%*_+`'~-]+(;[A-Za-z0-9.!%*_+`'~-]+(=[A-Za-z0-9.!%*_+`'~-]+)?)*$"


def _methods_in_words() -> SafeString:
    """Each on a line of its own: there are many."""
    words = ((gettext(driver.label), gettext(driver.summary)) for driver in drivers().values())
    return format_html("<ul>{}</ul>", format_html_join("", "<li><strong>{}</strong>: {}</li>", words))


class TypeForm(PasswordWarning, ParameterForm, forms.ModelForm):  # type: ignore[type-arg]
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
    asks_every_hours = forms.IntegerField(
        label=_("asks by itself every (hours)"),
        required=False,
        min_value=1,
        max_value=24 * 90,
        help_text=_(
            "Empty: as its delivery says. A configuration server that you have may set another time. The page of the rollout says"
            " by this who asks too late for the deadline."
        ),
    )
    own_lines = OwnLinesField(
        label=_("own lines of the configuration file"),
        path_is_secret=False,
        help_text=_(
            "Only where pbxcerts is the whole configuration server: lines that go into the files of all terminals of this type."
        ),
    )

    class Meta:
        model = TerminalType
        fields = [
            *("name", "manufacturer", "model", "method", "event", "way", "asks_every_hours", "answers_without_qop"),
            *("wants", "trust_format", "size_limit", "holds_only_one"),
            *("guide_de", "guide_en", "source", "verified", "own_lines"),
            *("checks_by_itself", "turns_checking_on", "empties_list"),
        ]
        help_texts = {
            "name": _("As the lists, CSV files and the work list call it."),
            "manufacturer": _("For people: it stands in the list of the types."),
            "model": _(
                "A telephone that asks for its files and names itself so in its User-Agent is offered with this type."
            ),
            "method": lazy(_methods_in_words, SafeString)(),
            "way": _("A telephone with a lasting TLS connection takes it only through the communication server."),
            "answers_without_qop": _(
                "On: a question for user and password without qop (RFC 2069) is answered also where the connection does not"
                " prove who asks, by UDP or TCP. From such an answer a password can be found more easily. Over TLS it always"
                " is."
            ),
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
            "checks_by_itself": _(
                "On: your own configuration, or a hand at the telephone, lets the telephones of this type check where certificates come from;"
                " pbxcerts can't see that. Where what they take counts only from their next restart on (Grandstream), they then restart for"
                " each pair before it counts as taken, also for one that is prepared now. Off: pbxcerts takes them for telephones that check"
                " only what it has told them itself."
            ),
            "turns_checking_on": _(
                "On: pbxcerts tells the telephones of this type to check where certificates come from, one first, then some at a"
                " time: each only when it is shown that it has the one that is served, none while a handover is under way. It is"
                " taken back from one that does not come back, and then nobody else is told until a person goes on. From then on a"
                " telephone that lacks the next certificate loses its calls at the switch. Off: they are told to stop."
            ),
            "empties_list": _(
                "On: a telephone that has room for one more certificate at most is told in the night to check no longer, then to delete"
                " all certificates that are not its manufacturer's, also those that you have put in for other servers; then it takes ours"
                " again, and checks again. One first, whose list a person looks at. Only together with the switch before."
            ),
        }
        widgets = {"guide_de": forms.Textarea(attrs={"rows": 8}), "guide_en": forms.Textarea(attrs={"rows": 8})}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A new type has no method yet.
        if self.instance.pk is None or self.instance.driver.checks.switch is None:
            del self.fields["turns_checking_on"]
        if self.instance.pk is not None and self.instance.driver.checks.always:
            del self.fields["checks_by_itself"]
        if self.instance.pk is None or not self.instance.driver.capabilities.empties:
            del self.fields["empties_list"]

    def layout(self) -> list[Parameters | str]:
        switches = [name for name in ("checks_by_itself", "turns_checking_on", "empties_list") if name in self.fields]
        expert = [FoldedParameters("check", _("Check of certificates (expert)"), *switches)]
        return [
            self.PASSWORD_GOES,
            Parameters(_("Type"), "name", "manufacturer", "model"),
            Parameters(_("Delivery"), "method", "event", "way", "asks_every_hours", "answers_without_qop"),
            Parameters(_("Certificates"), "wants", "trust_format", "size_limit", "holds_only_one"),
            Parameters(_("Guide"), "guide_de", "guide_en", "source", "verified"),
            Parameters(_("Configuration file"), "own_lines"),
            *(expert if switches else []),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("wants") == TrustContents.BUNDLE and cleaned.get("trust_format") == TrustFormats.DER:
            self.add_error(
                "trust_format",
                ValidationError(_("DER holds one certificate, a trust bundle holds several."), code="der_bundle"),
            )
        if "method" in cleaned:
            self._judge_by_method(driver_of(cleaned["method"]))
        if "way" in cleaned and (lost := self._lost(cleaned["way"]).count()):
            self.warn_of_password(
                "way",
                ngettext(
                    "Applying deletes the stored SIP password of %(count)s terminal of this type, because its answers would go"
                    " straight to its address then. Enter or import it anew afterwards. Apply once more to do it.",
                    "Applying deletes the stored SIP passwords of %(count)s terminals of this type, because their answers would"
                    " go straight to their addresses then. Enter or import them anew afterwards. Apply once more to do it.",
                    lost,
                )
                % {"count": lost},
            )
        return cleaned

    def _lost(self, way: str) -> QuerySet[Terminal]:
        return kept_passwords.lost_by_way(self.instance, self.initial.get("way", way), way)

    @transaction.atomic
    def save(self, *args: Any, **options: Any) -> Any:
        kept_passwords.forget(self._lost(self.cleaned_data["way"]))
        says_so = self.cleaned_data.get("checks_by_itself") and "checks_by_itself" in self.changed_data
        if says_so and self.instance.pk is not None and self.instance.driver.capabilities.counts_from_restart:
            _count_from_a_restart(self.instance)
        return super().save(*args, **options)

    def _judge_by_method(self, driver: DeliveryDriver) -> None:
        """A type may say less of its terminals than their delivery allows, never more."""
        formats = [TrustFormats(one) for one in driver.capabilities.formats]
        if self.cleaned_data.get("trust_format") not in {None, "", *formats}:
            self.add_error(
                "trust_format",
                ValidationError(
                    _("%(method)s: it reads %(formats)s only."),
                    code="format",
                    params={"method": gettext(driver.label), "formats": ", ".join(str(one.label) for one in formats)},
                ),
            )
        judge_own_lines(self, driver)
        if self.cleaned_data.get("turns_checking_on") or self.cleaned_data.get("checks_by_itself"):
            self._judge_event(driver)
        if self.cleaned_data.get("turns_checking_on"):
            self._judge_check(driver)
        elif self.cleaned_data.get("empties_list"):
            error = gettext(
                "Lists are emptied only where pbxcerts turns the check on: nobody else knows that it is off meanwhile."
            )
            self.add_error("empties_list", ValidationError(error, code="check"))

    def _judge_check(self, driver: DeliveryDriver) -> None:
        """A telephone that checks has to hold the next root beside the served one."""
        error = ""
        if self.cleaned_data.get("checks_by_itself"):
            error = gettext(
                "Either your own configuration lets them check or pbxcerts: two would contradict each other."
            )
        elif driver.checks.switch is None:
            error = gettext("With this delivery pbxcerts can't tell telephones to check.")
        elif self.cleaned_data.get("holds_only_one"):
            error = gettext(
                "A telephone that holds only one certificate and checks loses its calls at each switch, until it has the next one."
            )
        elif self.cleaned_data.get("wants") == TrustContents.HOST:
            error = gettext(
                "A telephone checks whether a certificate comes from a root certificate, and this type gets none."
            )
        if error:
            self.add_error("turns_checking_on", ValidationError(error, code="check"))

    def _judge_event(self, driver: DeliveryDriver) -> None:
        """What one that checks takes may count only from a restart on (rule shown-restart)."""
        restarts_by, event = driver.capabilities.restarts_by, driver.event(self.cleaned_data.get("event") or "")
        if restarts_by not in event:
            said = _(
                "%(event)s does not restart it, and what it takes counts only from a restart on: with the check on, leave this empty or"
                " name one with %(restarts_by)s."
            )
            params = {"event": event, "restarts_by": restarts_by}
            self.add_error("event", ValidationError(said, code="restart", params=params))


def _count_from_a_restart(of: TerminalType) -> None:
    """What these have taken of a pair that is not served yet counted at once, as of telephones that check nothing."""
    rows = Installation.objects.filter(terminal__type=of, generation__state__in=Generation.PENDING)
    rows.filter(evidence=Installation.Evidence.FETCHED).trusted().take_back()
