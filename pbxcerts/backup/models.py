"""How it goes with the scheduled backups."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class BackupRun(models.Model):
    """The one row of it. `since`: when the schedule was switched on; `good_at`, `good_name`, `good_size`: of the last backup that
    was made whole. `tried_at`, `tries`: of the attempts since then, which are counted when they begin; `failure`: why the last one
    failed, in the system language. `beside_data`: whether they lie on the file system of the data directory; `room_left`: octets on
    theirs at the last attempt. The heartbeat and the
    pages read it here: a place that is on another machine may keep whoever looks at it waiting.
    """

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    since = models.DateTimeField(null=True)
    good_at = models.DateTimeField(null=True)
    good_name = models.CharField(max_length=255, blank=True)
    good_size = models.PositiveBigIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    failure = models.TextField(blank=True)
    beside_data = models.BooleanField(default=False)
    room_left = models.PositiveBigIntegerField(null=True)

    class Meta:
        verbose_name = _("backup")
        constraints = [models.CheckConstraint(condition=Q(singleton=True), name="one_row_of_backup_run")]

    def __str__(self) -> str:
        return self.good_name or "-"

    @classmethod
    def load(cls) -> BackupRun:
        return cls._default_manager.get_or_create()[0]
