"""What an import keeps between its preview and its end."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ImportFile(models.Model):
    """A CSV file between its preview and its import: one for each person, replaced by the next (`terminals.directory.csv.waiting_upload`)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    # Sealed, because it may hold SIP passwords; no SealedField, because nobody misses it after an hour.
    content = models.BinaryField()
    uploaded_at = models.DateTimeField()

    class Meta:
        verbose_name = _("file to be imported")

    def __str__(self) -> str:
        return f"{self.user_id} {self.uploaded_at:%Y-%m-%d %H:%M}"
