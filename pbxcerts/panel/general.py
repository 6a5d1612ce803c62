"""System / General: the parameters of the installation and the state of its clock."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.forms.orders import REASON_AT_MOST
from certificates.models import Generation
from pbxcerts.panel import backups, saving
from pbxcerts.panel.general_form import IDENTITY_SETTINGS, GeneralPageForm
from pbxcerts.system import clock_acceptance
from pbxcerts.system.clock_acceptance import AcceptanceRefused
from pbxcerts.system.database.versioned import SettingsOvertaken
from pbxcerts.system.models import ClockCheck, General, Heartbeat, Role
from pbxcerts.system.network import interfaces
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.time import clock_words, machine_ntp, timekeeping
from pbxcerts.system.time.clock import Clock
from pbxcerts.system.users.access import RoleNeeded, logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker

CLOCK_SETTINGS = {"ntp_enabled", "ntp_servers"}


@dataclass(frozen=True)
class NtpServerOutcome:
    """What one NTP server said when it was asked last."""

    server: str
    answered: bool
    words: str | Promise
    offset: timedelta | None
    stratum: int | None


@require_http_methods(["GET", "HEAD", "POST"])
def general(request: HttpRequest) -> HttpResponse:
    administers = logged_in_user(request).may(Role.ADMINISTER)
    if request.method == "POST" and not administers:
        raise RoleNeeded(Role.ADMINISTER)
    form = GeneralPageForm(typed(request), row=general_of(request))
    if request.method == "POST" and form.is_valid():
        try:
            changed = saving.save_general(
                form.parameters, expected_version=form.cleaned_data["version"], now=timekeeping.now()
            )
        except SettingsOvertaken as overtaken:
            form.compare_with(overtaken.row)
        else:
            _tell(request, form, changed)
            return redirect(_what_follows(form, changed))
    if administers:
        form.offer(
            names=list(filter(None, [interfaces.host_name()])),
            addresses=interfaces.offered_addresses(),
            ntp_servers=machine_ntp.configured_servers(),
        )
    else:
        form.make_read_only()
    context = {
        "form": form,
        "ask_clock": "check" in request.GET and administers,
        "backup": backups.state(general_of(request), timekeeping.machine_time()),
    }
    return render(request, "system/general.html", context | _clock_context(general_of(request)))


@require_safe
def readings(request: HttpRequest) -> HttpResponse:
    """The part of the page that asks for itself."""
    return render(request, "system/_clock_readings.html", _clock_context(general_of(request)) | {"polled": True})


@needs(Role.OPERATE)
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Ask the NTP servers now."""
    timekeeping.check_clock()
    if request.headers.get("HX-Request"):
        return render(request, "system/_clock.html", _clock_context(general_of(request)))
    return redirect("system:general")


@needs(Role.ADMINISTER)
@require_POST
def accept_clock(request: HttpRequest) -> HttpResponse:
    """Let the machine's clock count, which somebody has set by hand (rule clock-accepted)."""
    if "accept" not in request.POST:
        messages.error(request, _("Tick the box if the clock of this machine is right. Nothing has been changed."))
        return redirect("system:general")
    try:
        clock_acceptance.accept(by=logged_in_user(request).get_username())
    except AcceptanceRefused as refusal:
        messages.warning(request, str(refusal))
    else:
        wake_worker()
        messages.success(request, _("The clock of this machine counts now."))
    return redirect("system:general")


def _clock_context(general: General) -> dict[str, Any]:
    heartbeat, reading = Heartbeat.load(), timekeeping.read_machine()
    clock: Clock = timekeeping.current_clock(general=general, heartbeat=heartbeat, reading=reading)
    return {
        "clock": clock,
        "other_time": clock.corrected if clock.best != clock.machine else None,
        "can_be_accepted": clock_acceptance.is_possible(general, heartbeat, reading),
        "clock_state": clock_words.STATES[clock.state],
        "clock_severity": clock_words.SEVERITIES[clock.state],
        "last_check": heartbeat.last_check,
        "outcomes": [] if heartbeat.last_check is None else _outcomes(heartbeat.last_check),
        "now": clock.machine,
    }


def _outcomes(last: ClockCheck) -> list[NtpServerOutcome]:
    return [
        NtpServerOutcome(
            server=answer["server"],
            answered=answer["outcome"] == clock_words.ANSWERED,
            words=clock_words.OUTCOMES.get(answer["outcome"], answer["outcome"]),
            offset=None if answer["offset_seconds"] is None else timedelta(seconds=answer["offset_seconds"]),
            stratum=answer["stratum"],
        )
        for answer in last.answers
    ]


def _tell(request: HttpRequest, form: GeneralPageForm, changed: frozenset[str]) -> None:
    """Say what was applied, and what the administrator has to know or to do because of it."""
    if not changed:
        messages.info(request, _("Nothing has changed."))
        return
    messages.success(request, form.applied(changed))
    current = General.load()
    if "time_zone" in changed:
        messages.info(request, _("The time of generation is now that of %(zone)s.") % {"zone": current.time_zone})
    if not changed & IDENTITY_SETTINGS:
        return
    if loopback := [str(address) for address in current.identity.addresses if address.is_loopback]:
        messages.warning(
            request,
            _(
                "%(addresses)s leads each machine to itself: only telephones on the communication server's own machine can use it."
            )
            % {"addresses": ", ".join(loopback)},
        )
    if missing := _missing_from_active(current):
        messages.warning(
            request,
            _("Not in the active host certificate: %(names)s. Generate anew.") % {"names": ", ".join(missing)},
        )


def _missing_from_active(general: General) -> tuple[str, ...]:
    active = Generation.objects.active().first()
    if active is None:
        return ()
    return general.identity.missing_from(active.host, addresses_as_dns=active.addresses_as_dns)


def _what_follows(form: GeneralPageForm, changed: frozenset[str]) -> str:
    """The page after applying: the new NTP servers are asked, and certificates that lack a new name are generated."""
    if changed & CLOCK_SETTINGS:
        return reverse("system:general") + "?check"
    if changed & IDENTITY_SETTINGS and _missing_from_active(General.load()):
        reason = "; ".join(form.differences(changed & IDENTITY_SETTINGS))
        return f"{reverse('certificates:generate')}?{urlencode({'reason': reason[:REASON_AT_MOST]})}"
    return reverse("system:general")
