"""Bootstrap windows, and what the terminals' listeners have refused."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from pbxcerts.system.models import Role
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import RoleNeeded, logged_in_user, needs
from terminals.forms.bootstrap import WindowForm
from terminals.rollout import words
from terminals.web import bootstrap
from terminals.web.refusals import refused_here


@require_http_methods(["GET", "HEAD", "POST"])
def windows(request: HttpRequest) -> HttpResponse:
    posted = request.method == "POST"
    if posted and not logged_in_user(request).may(Role.OPERATE):
        raise RoleNeeded(Role.OPERATE)
    form = WindowForm(typed(request))
    if posted and form.is_valid():
        bootstrap.open_window(
            form.cleaned_data["terminals"],
            minutes=form.cleaned_data["minutes"],
            by=logged_in_user(request).get_username(),
            now=timekeeping.machine_time(),
        )
        messages.success(request, _("The bootstrap window is open."))
        return redirect("terminals:bootstrap:windows")
    context = {
        "form": form,
        "windows": bootstrap.windows_open_at(timekeeping.machine_time()),
        "address": settings.TERMINALS_HTTP,
        "refusals": [
            (listener, reason, words.REFUSALS.get(reason, ""), count)
            for (listener, reason), count in sorted(refused_here.counts.items())
        ],
        "refused": refused_here,
    }
    return render(request, "terminals/bootstrap.html", context)


@needs(Role.OPERATE)
@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    if bootstrap.close_window(pk, by=logged_in_user(request).get_username(), now=timekeeping.machine_time()):
        messages.success(request, _("The bootstrap window is closed."))
    return redirect("terminals:bootstrap:windows")
