"""The form of System / General on its page, which knows what of the terminals hangs on it."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from certificates.renewal.handover import DoubtAbout, known_terminals
from certificates.renewal.situation import load_situation
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General
from pbxcerts.system.pages.form_layout import Parameters
from terminals.answer_target import NotifyServer
from terminals.forms.password_warning import PasswordWarning
from terminals.models import DeliverySettings

IDENTITY_SETTINGS = {"fqdn", "dns_names", "ip_addresses", "own_names", "own_addresses"}


class GeneralPageForm(PasswordWarning, GeneralForm):
    """Where the delivery names no communication server of its own, the one that is named here gets the answers that are made
    with stored passwords (rule kept-password). Names that telephones may refuse are asked about once (rule preflight).
    """

    NAMES_IN_DOUBT = "names_in_doubt"
    SAID = (PasswordWarning.PASSWORD_GOES, NAMES_IN_DOUBT)
    """The hidden fields that carry what was said."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields[self.NAMES_IN_DOUBT] = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def layout(self) -> list[Parameters | str]:
        return [*self.SAID, *super().layout()]

    def clean(self) -> None:
        super().clean()
        if self.errors:
            return
        parameters = self.parameters
        delivery, stored = DeliverySettings.load(), General.load()
        before, after = (NotifyServer.of(delivery, one) for one in (stored, General(**parameters)))
        if before != after and delivery.account_password is not None:
            self.warn_of_password(
                "fqdn",
                _(
                    "Notifications go to this communication server, so applying deletes the stored password of the account with"
                    " which pbxcerts answers it. Enter it anew under “Delivery” afterwards. Apply once more to do it."
                ),
            )
        self.warn_of_server(before, after)
        if stored.differing(parameters) & IDENTITY_SETTINGS and not self.was_said(self.NAMES_IN_DOUBT):
            self._warn_of_names(parameters)

    def _warn_of_names(self, parameters: Mapping[str, Any]) -> None:
        """Say what is known of telephones against a pair with these names."""
        situation = load_situation()
        settings = copy.copy(situation.settings)
        settings.general = General(**parameters)
        doubts = known_terminals().doubts(replace(situation, settings=settings))
        if said := [str(doubt) for doubt in doubts if doubt.about is DoubtAbout.NAMES]:
            self.warn_once(self.NAMES_IN_DOUBT, None, *said, _("Apply once more to save these names all the same."))
