from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CallProofConfig(AppConfig):
    name = "certificates.call_proof"
    label = "call_proof"
    verbose_name = _("Proof by call")
