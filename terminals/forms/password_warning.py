"""Forms that say which stored passwords a change deletes before it is applied (rule kept-password)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import ngettext

from terminals.answer_target import NotifyServer
from terminals.directory import kept_passwords

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as LazyText

    _Form = forms.BaseForm
else:
    _Form = object


class PasswordWarning(_Form):
    """Mixed into a form. One that would delete passwords is refused once, with a sentence that says so, and a hidden field then
    carries that it was said.
    """

    PASSWORD_GOES = "password_goes"  # noqa: S105 - the name of a field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[self.PASSWORD_GOES] = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def warn_of_password(self, field: str | None, sentence: str | LazyText) -> None:
        if not self.was_said(self.PASSWORD_GOES):
            self.warn_once(self.PASSWORD_GOES, field, sentence)

    def was_said(self, said: str) -> bool:
        """`said`: the hidden field that carries it."""
        return bool(self.cleaned_data.get(said))

    def warn_once(self, said: str, field: str | None, *sentences: str | LazyText) -> None:
        """Refuse the form; the page then carries in the hidden field `said` that it was."""
        self.data = {name: self.data.get(name) for name in self.data} | {said: "true"}
        self.add_error(field, ValidationError([ValidationError(sentence, code=said) for sentence in sentences]))

    def warn_of_server(self, before: NotifyServer, after: NotifyServer) -> None:
        """Where the communication server would become another one."""
        if lost := kept_passwords.lost_by_server(before, after).count():
            self.warn_of_password(
                None,
                ngettext(
                    "Applying deletes the stored SIP password of %(count)s terminal, because its answers would go to another"
                    " realm, or over a connection that proves nothing. Enter or import it anew afterwards. Apply once more to"
                    " do it.",
                    "Applying deletes the stored SIP passwords of %(count)s terminals, because their answers would go to another"
                    " realm, or over a connection that proves nothing. Enter or import them anew afterwards. Apply once more"
                    " to do it.",
                    lost,
                )
                % {"count": lost},
            )
