"""Counts that are kept instead of counted (rule tally). Triggers keep them (`terminals.tally.triggers`), and nobody else writes them."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Sum


class TallyQuerySet(models.QuerySet["InstallationTally"]):
    def of_enabled_terminals(self) -> Self:
        return self.filter(enabled=True)

    def total(self) -> int:
        return self.aggregate(total=Sum("count"))["total"] or 0


class TerminalTally(models.Model):
    """How many terminals there are of a type, enabled or not."""

    type = models.ForeignKey("terminals.TerminalType", models.CASCADE, related_name="+", db_constraint=False)
    enabled = models.BooleanField()
    count = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["type", "enabled"], name="one_tally_of_terminals")]

    def __str__(self) -> str:
        return f"{self.type_id}: {self.count}"


class InstallationTally(models.Model):
    """How many installations are alike in all of this. `put_off`: postponed at least once; `trusted`: the terminal trusts the root;
    `unproved`: somebody fetched, nobody knows who.
    """

    generation = models.ForeignKey("certificates.Generation", models.CASCADE, related_name="+", db_constraint=False)
    type = models.ForeignKey("terminals.TerminalType", models.CASCADE, related_name="+", db_constraint=False)
    enabled = models.BooleanField()
    wave = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10)
    excused = models.BooleanField()
    put_off = models.BooleanField()
    trusted = models.BooleanField()
    unproved = models.BooleanField()
    count = models.IntegerField()

    objects = TallyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    *("generation", "type", "enabled", "wave", "state"),
                    *("excused", "put_off", "trusted", "unproved"),
                ],
                name="one_tally_of_installations",
            )
        ]

    def __str__(self) -> str:
        return f"{self.generation_id} {self.state}: {self.count}"


class ListChanges(models.Model):
    """How often the list has changed in what the listeners answer by: one row, and none before the first terminal."""

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    count = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.count)


class SharedAddress(models.Model):
    """An address that stands with several enabled terminals in the list."""

    address = models.CharField(max_length=64, unique=True)
    count = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.address}: {self.count}"
