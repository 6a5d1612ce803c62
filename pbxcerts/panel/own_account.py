"""The own account: sessions, language, theme, password. Everybody has one, whatever the role."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from pbxcerts.panel import appearance
from pbxcerts.system.forms.users import AppearanceForm
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users import own_sessions
from pbxcerts.system.users.access import logged_in_user


@require_http_methods(["GET", "HEAD", "POST"])
def own_account(request: HttpRequest) -> HttpResponse:
    chosen = {"language": appearance.language_of(request), "theme": appearance.theme_of(request)}
    form = AppearanceForm(typed(request), initial=chosen)
    if request.method == "POST" and form.is_valid():
        response = redirect("account")
        appearance.keep(request, response, **form.cleaned_data)
        general = general_of(request)
        with translation.override(general.spelt(form.cleaned_data["language"] or general.language)):
            messages.success(request, _("Applied. It is so in every browser in which you log in."))
        return response
    sessions = own_sessions.of(logged_in_user(request), request.session, timekeeping.machine_time())
    return render(request, "account.html", {"form": form, "sessions": sessions})


@require_POST
def end_session(request: HttpRequest) -> HttpResponse:
    name, now = request.POST.get("session", ""), timekeeping.machine_time()
    if own_sessions.end(logged_in_user(request), name, request.session, now):
        messages.success(request, _("The session has ended: that browser has to log in again."))
    else:
        messages.info(request, _("That session had ended already."))
    return redirect("account")


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    own_sessions.end_others(logged_in_user(request), request.session)
    messages.success(request, _("All your other sessions have ended."))
    return redirect("account")
