"""Logging in before a page, and the page where a session is over (rule kept-entries)."""

from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from pbxcerts.system.forms.users import LoginForm
from pbxcerts.system.pages import kept_entries
from pbxcerts.system.users import known_browsers
from pbxcerts.system.users.access import logged_in_user


class LoginRequired(LoginRequiredMiddleware):
    """Every page needs a login unless it is marked `login_not_required`.

    A part of a page that asks for itself (htmx) gets 401: the page then says so itself, and keeps what was typed in its forms. What
    was typed into a form whose session is over goes along with the log-in.
    """

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        refused: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        needs_login = getattr(view_func, "login_required", True)
        if refused is None and needs_login and request.method == "POST" and kept_entries.FIELD in request.POST:
            kept_entries.give_back(request, whose=known_browsers.sign_of(logged_in_user(request)))
        return refused

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401)
        if request.method == "POST" and (whose := known_browsers.last_of(request)):
            kept = kept_entries.take(request, whose=whose)
            return render(request, "registration/login.html", {"form": LoginForm(request), "kept": kept}, status=403)
        return super().handle_no_permission(request, view_func)
