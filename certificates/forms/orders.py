"""What a person confirms before the pairs change: generate, activate, move the deadline, roll back, discard, withdraw."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates.models import StoreDecision
from certificates.status.outlook import GenerationOutlook
from pbxcerts.system.forms.entries import SeenField
from pbxcerts.system.pages.form_layout import ColumnForm, Parameters
from pbxcerts.system.time import time_words
from pbxcerts.system.time.clock import ClockVerdict
from pbxcerts.system.users.reauthentication import Reauthentication

REASON_AT_MOST = 500


def _reason_field() -> forms.CharField:
    return forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=REASON_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Everyone can read it in the history."),
    )


def _confirm_clock_field() -> forms.BooleanField:
    return forms.BooleanField(
        label=_("Generate although the clock is in doubt"),
        required=False,
        help_text=_("The certificate dates come from this clock. Your confirmation is recorded in the history."),
    )


def _require_confirmed_clock(form: forms.Form, verdict: ClockVerdict) -> None:
    """Refuse the form where the clock is in doubt and the person has not confirmed it, or not said why where that is needed."""
    if verdict is ClockVerdict.DO:
        return
    if not form.cleaned_data.get("confirm_clock"):
        form.add_error(
            "confirm_clock",
            ValidationError(
                _("It is not certain that the clock is right. Tick this if you want to generate all the same."),
                code="clock",
            ),
        )
    if verdict is ClockVerdict.REFUSE_UNLESS_REASON and not form.cleaned_data.get("reason"):
        form.add_error(
            "reason",
            ValidationError(
                _("The clock is more than 12 hours off: say why you want to generate all the same."), code="reason"
            ),
        )


class ReasonForm(ColumnForm, forms.Form):
    reason = _reason_field()


class CriticalForm(Reauthentication, ReasonForm):
    """The form of an order that takes a pair out of service: it asks for the password once more."""


class StoreForm(CriticalForm):
    """What a person decides about a store that the database does not know. Each decision is a button of the page."""

    decision = forms.ChoiceField(choices=StoreDecision.Decision, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["decision"].error_messages["required"] = _("Choose one of the two.")

    def layout(self) -> list[Parameters | str]:
        """Without the buttons, which stand on the page."""
        return [name for name in self.fields if name != "decision"]


class WithdrawForm(CriticalForm):
    """Withdrawing a pair. Where another is made in its place by a clock that one server alone calls far off, the person
    confirms that and says why (rule withdraw); else the field for it is missing.
    """

    confirm_clock = _confirm_clock_field()

    def __init__(self, *args: Any, request: HttpRequest, clock_verdict: ClockVerdict, **kwargs: Any) -> None:
        super().__init__(*args, request=request, **kwargs)
        self.clock_verdict = clock_verdict
        if clock_verdict is ClockVerdict.DO:
            del self.fields["confirm_clock"]

    @property
    def without_clock(self) -> bool:
        return bool(self.cleaned_data.get("confirm_clock"))

    def clean(self) -> None:
        _require_confirmed_clock(self, self.clock_verdict)


class DeadlineForm(ColumnForm, forms.Form):
    at = forms.DateTimeField(
        label=_("New deadline"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        help_text=_("The communication server is switched then, also where terminals are missing."),
        error_messages={
            "required": _("Enter a date and a time."),
            "invalid": _("Enter a date and a time, for example 2030-01-31T02:00."),
        },
    )

    def __init__(self, *args: Any, latest: datetime, latest_text: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.latest = latest
        at_most = _("At the latest %(latest)s.") % {"latest": latest_text}
        self.fields["at"].help_text = f"{self.fields['at'].help_text} {at_most}"


def _choices_of_switch(outlook: GenerationOutlook) -> Iterator[tuple[str, str]]:
    """Each with its consequences beneath it."""
    number = outlook.situation.active.number if outlook.situation.active is not None else 0
    deadline = time_words.moment(outlook.deadline) if outlook.deadline is not None else ""
    consequences = {
        GenerateForm.HANDOVER: gettext(
            "Generation %(number)s stays in service until the terminals have the new pair, until %(deadline)s at the latest."
        ),
        GenerateForm.AT_ONCE: gettext(
            "Generation %(number)s is replaced as soon as the new pair is made. Terminals that would then refuse the communication"
            " server until they have the new root certificate: %(count)s."
        ),
    }
    known = {"number": number, "deadline": deadline, "count": outlook.refusing}
    for value, label in GenerateForm.SWITCHES:
        yield value, format_html('{} <span class="choice-consequence">{}</span>', label, consequences[value] % known)


class GenerateForm(Reauthentication, ColumnForm, forms.Form):
    """The order of a generation. `newest` is the number of the newest attempt that the page showed: where another
    generation has been ordered since, the form is refused.

    The password is asked for where a pair in service would be replaced at once. A field is missing where there is
    nothing to choose: no handover, no telephone that restarts, no doubt about the clock.
    """

    AT_ONCE = "at_once"
    HANDOVER = "handover"
    SWITCHES = ((HANDOVER, _("with handover: terminals first, server last")), (AT_ONCE, _("at once")))

    newest = SeenField()
    how = forms.ChoiceField(
        label=_("Switch the communication server"),
        choices=SWITCHES,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        help_text=_("Where nothing presses, choose the handover."),
    )
    restart_now = forms.BooleanField(
        label=_("Restart telephones now"),
        required=False,
        help_text=_(
            "Only when switching at once: telephones that restart do not wait for the night. Calls that they carry may be lost."
        ),
    )
    reason = _reason_field()
    confirm_clock = _confirm_clock_field()
    confirm_doubts = forms.BooleanField(
        label=_("Generate although telephones can lose calls or settings"),
        help_text=_("Which, why and what to do stands above."),
        error_messages={
            "required": _(
                "Some telephones can lose their calls or settings. Tick this if you want to generate all the same."
            )
        },
    )

    def __init__(self, data: Any = None, *, request: HttpRequest, outlook: GenerationOutlook, newest: int) -> None:
        """Where another page has led here, the address says the reason: `?reason=`."""
        how = self.AT_ONCE if outlook.suggests_at_once else self.HANDOVER
        initial = {"newest": newest, "how": how, "restart_now": outlook.restarts_anyway}
        initial["reason"] = request.GET.get("reason", "")[:REASON_AT_MOST]
        super().__init__(data, request=request, initial=initial, prefix=None)
        self.outlook = outlook
        self.seen = newest
        if outlook.only_at_once:
            del self.fields["how"]
        else:
            self.fields["how"].choices = list(_choices_of_switch(outlook))  # type: ignore[attr-defined]
        if not outlook.may_restart_now:
            del self.fields["restart_now"]
        if outlook.clock_verdict is ClockVerdict.DO:
            del self.fields["confirm_clock"]
        if not outlook.serious_doubts:
            del self.fields["confirm_doubts"]
        if outlook.interrupts_service:
            self.fields["password"].help_text = _("Needed only to switch at once, because that can drop calls.")
        else:
            del self.fields["password"]

    @property
    def at_once(self) -> bool:
        return self.outlook.only_at_once or self.cleaned_data.get("how") == self.AT_ONCE

    @property
    def without_clock(self) -> bool:
        return bool(self.cleaned_data.get("confirm_clock"))

    def needs_password(self) -> bool:
        return self.at_once

    def clean_newest(self) -> int:
        newest: int = self.cleaned_data["newest"]
        if newest != self.seen:
            self.data = {**{name: self.data.get(name) for name in self.data}, "newest": str(self.seen)}
            self.add_error(
                None,
                ValidationError(
                    _(
                        "Another generation has been ordered since this page was opened. See below what one more would do"
                        " now, and generate again only if you still want to."
                    ),
                    code="overtaken",
                ),
            )
        return newest

    def clean(self) -> None:
        _require_confirmed_clock(self, self.outlook.clock_verdict)
