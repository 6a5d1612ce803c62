"""When files are given out over plain HTTP."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BootstrapWindow(models.Model):
    """For some minutes named terminals may fetch their files over plain HTTP; logged, closes by itself."""

    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    opened_by = models.CharField(max_length=150)
    all_terminals = models.BooleanField(default=False)
    terminals = models.ManyToManyField("terminals.Terminal", related_name="+")

    class Meta:
        ordering = ["-opened_at"]
        verbose_name = _("bootstrap window")

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M} to {self.closes_at:%H:%M}"
