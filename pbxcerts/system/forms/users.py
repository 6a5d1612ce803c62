"""Logging in, passwords, users."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.forms import (
    AuthenticationForm,
    PasswordChangeForm,
    SetPasswordForm,
    UserCreationForm,
    UsernameField,
)
from django.http import HttpRequest
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.models import Role, Theme, User
from pbxcerts.system.pages.form_layout import ColumnForm, ParameterForm, Parameters
from pbxcerts.system.users import passwords, setup_token
from pbxcerts.system.users.reauthentication import check_own_password


class LoginForm(ColumnForm, AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = _("The name that an administrator has given you.")
        self.fields["password"].help_text = _("Forgotten? An administrator can give you a new one.")

    def clean(self) -> dict[str, Any]:
        """Raises Slowed among others."""
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if name and password:
            self.user_cache = passwords.check(cast("HttpRequest", self.request), name, password)
            if self.user_cache is None:
                raise forms.ValidationError(_("The user name or the password is wrong."), code="invalid_login")
        return self.cleaned_data


class TwicePassword:
    """The password is entered twice; Django's own German words beside the second field have a spelling mistake."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"password2", "new_password2"} & {*self.fields}:
            self.fields[name].help_text = _("Enter the same password once more.")


class OwnPasswordForm(TwicePassword, ParameterForm, PasswordChangeForm):
    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.fields["old_password"].help_text = _("So that nobody else changes it at your screen.")

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        check_own_password(self.request, old)
        return old


class NewPasswordForm(TwicePassword, ParameterForm, SetPasswordForm):  # type: ignore[type-arg]
    pass


class SetupForm(TwicePassword, ColumnForm, UserCreationForm):  # type: ignore[type-arg]
    """The name and password of the first administrator. A script of the page takes the token out of the fragment of the
    link, which no log sees.
    """

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


class NewUserForm(TwicePassword, ParameterForm, UserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["username", "role"]
        # The name is another person's than that whose password manager this is.
        widgets = {"username": forms.TextInput(attrs={"autocomplete": "off"})}
        help_texts = {
            "role": _(
                "View: see everything and download certificates. Operate: also generate, activate, move the deadline,"
                " discard, roll back, change the terminals and steer the rollout. Administer: also settings, terminal"
                " types, users and withdrawing a pair."
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


def languages() -> list[tuple[str, Any]]:
    """Each under the name that it has for itself, and the one of System / General."""
    named = [(code, get_language_info(code)["name_local"].capitalize()) for code, _name in settings.LANGUAGES]
    return [("", _("System language")), *named]


class AppearanceForm(ParameterForm, forms.Form):
    """What a person chooses for themselves."""

    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=languages,
        help_text=_("Of all pages that you see, in every browser in which you log in."),
    )
    theme = forms.ChoiceField(
        label=_("Light or dark"),
        required=False,
        choices=Theme.choices,
        help_text=_("As the system: as your operating system or browser has it."),
    )

    def layout(self) -> list[Parameters | str]:
        return [Parameters(_("Language and appearance"), "language", "theme")]
