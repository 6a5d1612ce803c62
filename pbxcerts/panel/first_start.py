"""The first start, in four steps: password, names and addresses, clock, first generation. The first is the page of the set-up link.

Each has its own address and can be left for later; what the machine knows is filled in. Whoever comes back goes on at the first step
that is left, and where none is left the first page is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from certificates.models import Generation
from certificates.views import orders
from pbxcerts.panel import saving
from pbxcerts.panel.general import CLOCK_SETTINGS
from pbxcerts.panel.general_form import GeneralPageForm
from pbxcerts.system.database.versioned import SettingsOvertaken
from pbxcerts.system.models import General, Role
from pbxcerts.system.network import interfaces
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.time import machine_ntp, timekeeping
from pbxcerts.system.users.access import needs
from pbxcerts.system.wake_worker import wake_worker

shows_then_acts = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True)
class StartStep:
    """`url_name` is empty where there is no way back to it."""

    number: int
    title: str | Promise
    url_name: str = ""
    is_done: bool = False

    @property
    def url(self) -> str:
        return reverse(self.url_name)


def steps(general: General, *, has_generation: bool) -> list[StartStep]:
    """All four, in order; the password is always done here. `has_generation`: whether one was ever ordered."""
    clock = general.ntp_enabled and bool(general.ntp_servers)
    return [
        StartStep(1, _("Password"), is_done=True),
        StartStep(2, _("Names and addresses"), "first_start_names", bool(general.identity)),
        StartStep(3, _("Clock"), "first_start_clock", clock),
        StartStep(4, _("First generation"), "first_start_generation", has_generation),
    ]


def next_step(general: General, *, has_generation: bool) -> StartStep | None:
    """The first one that is left; None where none is."""
    return next((step for step in steps(general, has_generation=has_generation) if not step.is_done), None)


@needs(Role.ADMINISTER)
@require_safe
def resume(request: HttpRequest) -> HttpResponse:
    step = next_step(general_of(request), has_generation=Generation.objects.exists())
    return redirect(step.url if step else "home")


@needs(Role.ADMINISTER)
@shows_then_acts
def names(request: HttpRequest) -> HttpResponse:
    known = {"fqdn": _full_name(), "ip_addresses": interfaces.offered_addresses()}
    return _settings(request, 2, ["site_name", "fqdn", "ip_addresses", "on_this_machine", "tls_addresses"], known)


@needs(Role.ADMINISTER)
@shows_then_acts
def clock(request: HttpRequest) -> HttpResponse:
    known: dict[str, Any] = {"ntp_servers": machine_ntp.configured_servers()}
    # Switched off by a person who has entered servers, it stays off.
    if not general_of(request).ntp_servers:
        known["ntp_enabled"] = True
    return _settings(request, 3, ["time_zone", "ntp_enabled", "ntp_servers"], known)


@needs(Role.ADMINISTER)
@sensitive_post_parameters("password")
@shows_then_acts
def generation(request: HttpRequest) -> HttpResponseBase:
    if Generation.objects.exists():
        return redirect("home")
    return orders.generate(request, template="first_start/generation.html", done="home", shown=_frame(request, 4))


def _settings(request: HttpRequest, number: int, shown: list[str], known: dict[str, Any]) -> HttpResponse:
    """A step that sets some parameters of System / General; the others stay. `known`: what the machine says of those that are empty."""
    row = general_of(request)
    entries = typed(request)
    form = GeneralPageForm(None if entries is None else _over_what_is_stored(entries, row, shown), row=row)
    frame = _frame(request, number)
    if request.method == "POST" and form.is_valid():
        try:
            changed = saving.save_general(
                form.parameters, expected_version=form.cleaned_data["version"], now=timekeeping.now()
            )
        except SettingsOvertaken as overtaken:
            form.compare_with(overtaken.row)
        else:
            if changed & CLOCK_SETTINGS:
                # The next step says whether they answer.
                timekeeping.check_clock()
                wake_worker()
            return redirect(frame["after"])
    filled_in = {name: value for name, value in known.items() if value and not form.initial[name]}
    form.initial.update(filled_in)
    context = {"form": form, "fields": [form[name] for name in shown], "filled_in": bool(filled_in)}
    return render(request, "first_start/settings.html", context | frame)


def _over_what_is_stored(entries: QueryDict, row: General, shown: list[str]) -> dict[str, Any]:
    """Every parameter as it is stored, and over it what was typed in this step."""
    blank = GeneralPageForm(row=row)
    stored = {name: blank[name].value() for name in blank.fields}
    return stored | {name: entries.get(name, "") for name in [*shown, "version", *GeneralPageForm.SAID]}


def _frame(request: HttpRequest, number: int) -> dict[str, Any]:
    """The steps around a page: which one it is, where it leads back to and on to."""
    every = steps(general_of(request), has_generation=Generation.objects.exists())
    before, after = every[number - 2], every[number] if number < len(every) else None
    return {
        "steps": every,
        "step": every[number - 1],
        "before": before if before.url_name else None,
        "after": after.url if after else reverse("home"),
    }


def _full_name() -> str:
    """What the machine is called, where that is a name under which others may know it."""
    name = interfaces.host_name()
    return name if "." in name else ""
