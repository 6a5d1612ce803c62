"""Logging in and out, the own password, the set-up of a new installation."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from pbxcerts.system.forms.users import LoginForm, OwnPasswordForm, SetupForm
from pbxcerts.system.models import User
from pbxcerts.system.pages import kept_entries
from pbxcerts.system.pages.kept_entries import Kept
from pbxcerts.system.users import accounts, known_browsers, setup_token


class LogIn(views.LoginView):
    form_class = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        if self.kept is not None and self.kept.whose == known_browsers.sign_of(form.get_user()):
            response = render(self.request, "registration/resume.html", {"kept": self.kept})
        elif self.kept is not None:
            messages.warning(self.request, _("What was typed in another person's session is not shown."))
        known_browsers.remember(response, form.get_user())
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        first_start = not User.objects.administrators().exists()
        return super().get_context_data(first_start=first_start, kept=self.kept, **kwargs)

    @cached_property
    def kept(self) -> Kept | None:
        """What was typed when the session was over."""
        return kept_entries.read(self.request.POST.get(kept_entries.FIELD, ""))


class ChangePassword(views.PasswordChangeView):
    form_class = OwnPasswordForm
    template_name = "registration/password_change.html"
    success_url = reverse_lazy("account")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        known_browsers.remember(response, form.user)
        messages.success(self.request, _("Your password has been changed. Your other sessions have ended."))
        return response


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Make the first administrator; gone as soon as there is one."""
    if User.objects.administrators().exists():
        raise Http404
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = accounts.create_first_administrator(form.cleaned_data["username"], form.cleaned_data["password1"])
        except accounts.AdministratorExists as error:
            raise Http404 from error
        setup_token.close()
        login(request, user)
        response = redirect("first_start")
        known_browsers.remember(response, user)
        return response
    return render(request, "registration/set_up.html", {"form": form})
