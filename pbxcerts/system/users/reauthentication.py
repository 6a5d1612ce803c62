"""Asking for the password once more before something that cannot be taken back (rule password-again)."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from pbxcerts.system.users import passwords
from pbxcerts.system.users.access import logged_in_user

if TYPE_CHECKING:
    _Form = forms.Form
else:
    _Form = object


class Reauthentication(_Form):
    """Mixed into a form before `forms.Form`: it gets `request`, and a field `password` that must be the person's own.

    Override `needs_password` where only some choices need it. Wrong passwords count like those of the log-in page.
    """

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.fields["password"] = forms.CharField(
            label=_("Your password"),
            required=False,
            strip=False,
            max_length=4096,
            help_text=_("Enter the password you logged in with, so that nobody else does this at your screen."),
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        )

    def needs_password(self) -> bool:
        """Whether what was chosen needs the password; asked when the fields before it are clean."""
        return True

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.needs_password():
            return ""
        if not password:
            raise ValidationError(_("Enter your password."), code="password_missing")
        check_own_password(self.request, password)
        return ""


@sensitive_variables("password")
def check_own_password(request: HttpRequest, password: str) -> None:
    """Raises ValidationError, or the Slowed among them, where this is not the password of the person who is logged in."""
    person = logged_in_user(request)
    if passwords.check(request, person.get_username(), password) != person:
        raise ValidationError(_("This is not your password."), code="password_wrong")
