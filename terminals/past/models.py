"""What is left of the installations of long-superseded generations (rule condensed)."""

from django.db import models


class PastInstallations(models.Model):
    """Of one terminal, all that were condensed: a list of entries, the newest generation first, each as
    `terminals.past.entries.Entry` has it.
    """

    terminal = models.OneToOneField("terminals.Terminal", models.CASCADE, related_name="past")
    entries = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.terminal_id}: {len(self.entries)}"
