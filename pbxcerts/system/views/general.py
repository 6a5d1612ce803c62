"""System / General: the parameters of the installation and the state of its clock."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from certificates.models import Generation
from pbxcerts.system import clock_words, interfaces, saving, timekeeping
from pbxcerts.system.access import RoleNeeded, needs, person
from pbxcerts.system.clock import Clock
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.frame import general_of
from pbxcerts.system.models import ClockCheck, General, Heartbeat, Role
from pbxcerts.system.versioned import Overtaken

CLOCK_SETTINGS = {"ntp_enabled", "ntp_servers"}
IDENTITY_SETTINGS = {"fqdn", "dns_names", "ip_addresses", "own_names", "own_addresses"}


@dataclass(frozen=True)
class ServerOutcome:
    """What one NTP server said when it was asked last."""

    server: str
    answered: bool
    words: str | Promise
    offset: timedelta | None
    stratum: int | None


@require_http_methods(["GET", "HEAD", "POST"])
def general(request: HttpRequest) -> HttpResponse:
    administers = person(request).may(Role.ADMINISTER)
    if request.method == "POST" and not administers:
        raise RoleNeeded(Role.ADMINISTER)
    form = GeneralForm(request.POST or None, row=general_of(request))
    if request.method == "POST" and form.is_valid():
        try:
            changed = saving.save_general(
                form.parameters, expected_version=form.cleaned_data["version"], now=timezone.now()
            )
        except Overtaken as overtaken:
            form.compare_with(overtaken.row)
        else:
            _tell(request, changed)
            query = "?check" if changed & CLOCK_SETTINGS else ""
            return redirect(reverse("system:general") + query)
    if administers:
        form.offer(names=list(filter(None, [interfaces.host_name()])), addresses=interfaces.offered_addresses())
    else:
        form.make_read_only()
    context = {"form": form, "ask_clock": "check" in request.GET and administers}
    return render(request, "system/general.html", context | _clock_context(general_of(request)))


@needs(Role.OPERATE)
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Ask the NTP servers now."""
    timekeeping.check_clock()
    if request.headers.get("HX-Request"):
        return render(request, "system/_clock.html", _clock_context(general_of(request)))
    return redirect("system:general")


def _clock_context(general: General) -> dict[str, Any]:
    heartbeat = Heartbeat.load()
    clock: Clock = timekeeping.current_clock(general=general, heartbeat=heartbeat)
    return {
        "clock": clock,
        "clock_state": clock_words.STATES[clock.state],
        "clock_severity": clock_words.SEVERITIES[clock.state],
        "last_check": heartbeat.last_check,
        "outcomes": [] if heartbeat.last_check is None else _outcomes(heartbeat.last_check),
        "now": clock.now,
    }


def _outcomes(last: ClockCheck) -> list[ServerOutcome]:
    return [
        ServerOutcome(
            server=answer["server"],
            answered=answer["outcome"] == clock_words.ANSWERED,
            words=clock_words.OUTCOMES.get(answer["outcome"], answer["outcome"]),
            offset=None if answer["offset_seconds"] is None else timedelta(seconds=answer["offset_seconds"]),
            stratum=answer["stratum"],
        )
        for answer in last.answers
    ]


def _tell(request: HttpRequest, changed: frozenset[str]) -> None:
    """Say what was applied, and what the administrator has to know or to do because of it."""
    if not changed:
        messages.info(request, _("Nothing has changed."))
        return
    messages.success(request, _("The settings have been applied."))
    current = General.load()
    if "time_zone" in changed:
        messages.info(
            request,
            _("The time of generation is now that of %(zone)s.") % {"zone": current.time_zone},
        )
    if not changed & IDENTITY_SETTINGS:
        return
    if loopback := [str(address) for address in current.identity.addresses if address.is_loopback]:
        messages.warning(
            request,
            _("%(addresses)s leads each machine to itself: only telephones on the server's own machine can use it.")
            % {"addresses": ", ".join(loopback)},
        )
    active = Generation.objects.filter(state=Generation.State.ACTIVE).first()
    missing = active and current.identity.missing_from(active.host, addresses_as_dns=active.addresses_as_dns)
    if missing:
        messages.warning(
            request,
            _("Not in the active host certificate: %(names)s. Generate the certificates manually.")
            % {"names": ", ".join(missing)},
        )
