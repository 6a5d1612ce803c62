"""System / Users: who may log in, and with which role."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from pbxcerts.system.forms.users import NewPasswordForm, NewUserForm, UserForm
from pbxcerts.system.models import Role, User
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.users import accounts
from pbxcerts.system.users.access import needs


@needs(Role.ADMINISTER)
@require_safe
def users(request: HttpRequest) -> HttpResponse:
    return render(request, "system/users.html", {"users": User.objects.all()})


@needs(Role.ADMINISTER)
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = NewUserForm(typed(request))
    if request.method == "POST" and form.is_valid():
        user = form.save()
        accounts.change(user, role=Role(user.role), is_active=True)
        messages.success(request, _("The user “%(name)s” has been added.") % {"name": user.username})
        return redirect("system:users")
    return render(request, "system/user_form.html", {"form": form, "heading": _("Add user")})


@needs(Role.ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    form = UserForm(typed(request), initial={"role": user.role, "is_active": user.is_active})
    if request.method == "POST" and form.is_valid():
        try:
            accounts.change(user, **form.cleaned_data)
        except accounts.LastAdministrator:
            form.add_error(
                None, _("This is the last administrator: somebody must be able to log in and change the settings.")
            )
        else:
            messages.success(request, _("The user “%(name)s” has been changed.") % {"name": user.username})
            return redirect("system:users")
    return render(request, "system/user_form.html", {"form": form, "heading": user.username, "changed": user})


@needs(Role.ADMINISTER)
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    form = NewPasswordForm(user, typed(request))
    if request.method == "POST" and form.is_valid():
        accounts.set_password(user, form.cleaned_data["new_password1"])
        messages.success(request, _("The user “%(name)s” has a new password.") % {"name": user.username})
        return redirect("system:users")
    heading = _("New password for “%(name)s”") % {"name": user.username}
    return render(request, "system/user_form.html", {"form": form, "heading": heading})
