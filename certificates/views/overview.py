"""The page "Self-signed certificates": how things stand, and the settings."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from certificates.forms.settings import ConfirmSettings, SettingsForm
from certificates.handover import terminals
from certificates.poke import poke
from certificates.settings_changes import Change, save_settings
from certificates.status import Status
from pbxcerts.system.access import RoleNeeded, person
from pbxcerts.system.models import Role
from pbxcerts.system.versioned import Overtaken


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def overview(request: HttpRequest) -> HttpResponse:
    administers = person(request).may(Role.ADMINISTER)
    current = Status.load()
    if request.method != "POST":
        form = SettingsForm(row=current.settings)
        if not administers:
            form.make_read_only()
        return _page(request, current, form)
    if not administers:
        raise RoleNeeded(Role.ADMINISTER)
    form = SettingsForm(request.POST, row=current.settings)
    if not form.is_valid():
        return _page(request, current, form)
    change = Change(before=current.situation, values=form.parameters, terminals=terminals())
    overtaken = change.changed and form.cleaned_data["version"] != current.settings.version
    if change.needs_confirmation and not overtaken:
        again = "confirmed" in request.POST
        confirmation = ConfirmSettings(request.POST if again else None, request=request, critical=change.critical)
        if not again or not confirmation.is_valid():
            context = {"form": form, "confirmation": confirmation, "consequences": change.consequences()}
            return render(request, "certificates/settings_confirm.html", context)
    try:
        changed = save_settings(form.parameters, expected_version=form.cleaned_data["version"], now=current.clock.now)
    except Overtaken as error:
        form.compare_with(error.row)
        return _page(request, current, form)
    if changed:
        poke()
        messages.success(request, _("The settings have been applied."))
    else:
        messages.info(request, _("Nothing has changed."))
    return redirect("certificates:overview")


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The part of the page that asks for itself."""
    return render(request, "certificates/_status.html", {"status": Status.load(), "polled": True})


def _page(request: HttpRequest, current: Status, form: SettingsForm) -> HttpResponse:
    return render(request, "certificates/overview.html", {"status": current, "form": form})
