"""Logging in, passwords, users."""

from typing import Any

from django import forms
from django.contrib.auth.forms import (
    AuthenticationForm,
    PasswordChangeForm,
    SetPasswordForm,
    UserCreationForm,
    UsernameField,
)
from django.utils.translation import gettext_lazy as _

from pbxcerts.system import setup_token
from pbxcerts.system.form_layout import ColumnForm, ParameterForm, Parameters
from pbxcerts.system.models import Role, User


class LoginForm(ColumnForm, AuthenticationForm):
    pass


class OwnPasswordForm(ParameterForm, PasswordChangeForm):
    pass


class NewPasswordForm(ParameterForm, SetPasswordForm):  # type: ignore[type-arg]
    pass


class SetupForm(ColumnForm, UserCreationForm):  # type: ignore[type-arg]
    """The first administrator. The token comes from the set-up link; a script takes it from the part of it that no log sees."""

    token = forms.CharField(
        label=_("Set-up token"),
        help_text=_("It stands at the end of the set-up link, after the sign #."),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta:
        model = User
        fields = ["username"]
        # With what password managers go by.
        field_classes = {"username": UsernameField}

    field_order = ["token", "username", "password1", "password2"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autofocus"] = False

    def clean_token(self) -> str:
        token: str = self.cleaned_data["token"].strip()
        if not setup_token.accepts(token):
            raise forms.ValidationError(
                _("This token is not valid. Use the link that pbxcerts showed when it was started last."), code="token"
            )
        return token


class NewUserForm(ParameterForm, UserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["username", "role"]
        # The name is another person's than that whose password manager this is.
        widgets = {"username": forms.TextInput(attrs={"autocomplete": "off"})}
        help_texts = {
            "role": _(
                "View: see everything and download certificates. Operate: also generate, activate, move the deadline,"
                " discard, roll back. Administer: also settings, users and withdrawing a pair."
            ),
        }

    def layout(self) -> list[Parameters | str]:
        return [Parameters("", "username", "role", "password1", "password2")]


class UserForm(ParameterForm, forms.Form):
    """What an administrator changes about a user."""

    role = forms.ChoiceField(label=_("role"), choices=Role.choices, help_text=NewUserForm.Meta.help_texts["role"])
    is_active = forms.BooleanField(
        label=_("may log in"),
        required=False,
        help_text=_("Off: the user is logged out at once and can't log in any more. The name stays in the history."),
    )

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])
