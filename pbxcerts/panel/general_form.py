"""The form of System / General on its page, which knows what of the terminals hangs on it."""

from django.utils.translation import gettext as _

from pbxcerts.system.form_layout import Parameters
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General
from terminals.answer_target import NotifyServer
from terminals.forms.password_warning import PasswordWarning
from terminals.models import DeliverySettings


class GeneralPageForm(PasswordWarning, GeneralForm):
    """Where the delivery names no communication server of its own, the one that is named here gets the answers that are made
    with stored passwords (rule kept-password).
    """

    def layout(self) -> list[Parameters | str]:
        return [self.PASSWORD_GOES, *super().layout()]

    def clean(self) -> None:
        super().clean()
        if self.errors:
            return
        delivery = DeliverySettings.load()
        before, after = (NotifyServer.of(delivery, one) for one in (General.load(), General(**self.parameters)))
        if before != after and delivery.account_password is not None:
            self.warn_of_password(
                "fqdn",
                _(
                    "Notifications go to this communication server, so applying deletes the stored password of the account with"
                    " which pbxcerts answers it. Enter it anew under “Delivery” afterwards. Apply once more to do it."
                ),
            )
        self.warn_of_server(before, after)
