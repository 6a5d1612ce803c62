"""What leads a technician to the file of one terminal."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Link(models.Model):
    """The personal link to one terminal's file for the technician at the desk: 128 random bits, kept as a hash."""

    terminal = models.ForeignKey("terminals.Terminal", on_delete=models.CASCADE, related_name="links")
    generation = models.ForeignKey("certificates.Generation", on_delete=models.PROTECT, related_name="+")
    token_sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150, blank=True)
    revoked_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("personal link")

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.generation_id}"
