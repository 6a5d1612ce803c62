"""The page "Self-signed certificates": how things stand, and the settings."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from certificates.forms.settings import ConfirmSettings, SettingsForm
from certificates.renewal.handover import known_terminals
from certificates.settings_changes import SettingsChange, save_settings
from certificates.status.page import CertificateStatus
from pbxcerts.system.database.versioned import SettingsOvertaken
from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.users.access import RoleNeeded, logged_in_user
from pbxcerts.system.wake_worker import wake_worker


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def overview(request: HttpRequest) -> HttpResponse:
    administers = logged_in_user(request).may(Role.ADMINISTER)
    current = CertificateStatus.load(general_of(request))
    if request.method != "POST":
        form = SettingsForm(typed(request), row=current.settings)
        if not administers:
            form.make_read_only()
        return _page(request, current, form)
    if not administers:
        raise RoleNeeded(Role.ADMINISTER)
    form = SettingsForm(request.POST, row=current.settings)
    if not form.is_valid():
        return _page(request, current, form)
    change = SettingsChange(before=current.situation, values=form.parameters, terminals=known_terminals())
    overtaken = change.changed and form.cleaned_data["version"] != current.settings.version
    consequences = change.consequences()
    if change.needs_confirmation and not overtaken:
        again = "confirmed" in request.POST
        confirmation = ConfirmSettings(request.POST if again else None, request=request, critical=change.critical)
        if not again or not confirmation.is_valid():
            context = {"form": form, "confirmation": confirmation, "consequences": consequences}
            context["differences"] = form.differences(change.changed)
            return render(request, "certificates/settings_confirm.html", context)
    try:
        changed = save_settings(form.parameters, expected_version=form.cleaned_data["version"], now=current.clock.best)
    except SettingsOvertaken as error:
        form.compare_with(error.row)
        return _page(request, current, form)
    if changed:
        wake_worker()
        messages.success(request, " ".join([form.applied(changed), *consequences]))
    else:
        messages.info(request, _("Nothing has changed."))
    return redirect("certificates:overview")


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The part of the page that is asked for again and again while the page is open."""
    return render(
        request, "certificates/_status.html", {"status": CertificateStatus.load(general_of(request)), "polled": True}
    )


def _page(request: HttpRequest, current: CertificateStatus, form: SettingsForm) -> HttpResponse:
    context = {"status": current, "form": form, "deliveries": known_terminals().deliveries()}
    return render(request, "certificates/overview.html", context)
