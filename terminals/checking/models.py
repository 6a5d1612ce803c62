"""Which telephones pbxcerts has told to check where certificates come from, one row each (rule checking)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Self

from django.db import models
from django.db.models import Max, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _


class CheckingQuerySet(models.QuerySet["Checking"]):
    def in_state(self, *states: Checking.State) -> Self:
        return self.filter(state__in=states)

    def of_type(self, type_: int) -> Self:
        return self.filter(terminal__type=type_)

    def being_told(self, now: datetime) -> Self:
        """Those that may take a file now that says something else than before."""
        return self.in_state(Checking.State.TOLD, Checking.State.TAKEN_BACK).filter(until__gt=now)

    def stopping(self) -> Self:
        """Those for which no other telephone of their type is told until a person goes on."""
        taken_back = self.in_state(Checking.State.TAKEN_BACK).exclude(why=Checking.Why.SWITCHED_OFF)
        return taken_back.filter(gone_on=False, terminal__enabled=True)

    def changed_to(self, **values: Any) -> int:
        """Give these rows new values, and a number that the listeners do not know yet. The caller is alone (rule one-writer)."""
        newest = Checking.objects.order_by("-change").values("change")[:1]
        return self.update(change=Coalesce(Subquery(newest), 0) + 1, **values)


class Checking(models.Model):
    """What became of telling one telephone to check (rule checking). All times are by the machine's clock, as the listeners see them.

    `method`: the delivery method in whose words it was told. `until`: so long its file says what the state says, afterwards nothing. `asked_at`: when it was told, or told to stop, the last time; `attempts`: how often in a row. `due_at`: by then it has
    to come back. `off_at`: when it took the file that takes the check back. `gone_on`: a person went on after it. `change` is a larger
    number with each change, so that the listeners see that there was one.
    """

    class State(models.TextChoices):
        TOLD = "told", _("told")
        READ = "read", _("has read it")
        SHOWN = "shown", _("came back")
        TAKEN_BACK = "taken_back", _("taken back")

    class Why(models.TextChoices):
        """Why it was taken back."""

        NOT_BACK = "not_back", _("it did not come back")
        PERSON = "person", _("a person took it back")
        SWITCHED_OFF = "switched_off", _("its type no longer says so")

    terminal = models.OneToOneField("terminals.Terminal", models.CASCADE, primary_key=True, related_name="checking")
    method = models.CharField(max_length=32)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.TOLD)
    asked_at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    read_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    shown_at = models.DateTimeField(null=True)
    taken_back_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=12, choices=Why, blank=True)
    by = models.CharField(max_length=150, blank=True)
    off_at = models.DateTimeField(null=True)
    gone_on = models.BooleanField(default=False)
    change = models.BigIntegerField(default=0, db_index=True)

    objects = CheckingQuerySet.as_manager()

    class Meta:
        verbose_name = _("check turned on")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["told", "read", "shown", "taken_back"]), name="state_of_checking_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="read") | Q(read_at__isnull=False, due_at__isnull=False), name="read_says_when"
            ),
            models.CheckConstraint(condition=~Q(state="shown") | Q(shown_at__isnull=False), name="shown_says_when"),
            models.CheckConstraint(
                condition=Q(state="taken_back", taken_back_at__isnull=False)
                & Q(why__in=["not_back", "person", "switched_off"])
                | ~Q(state="taken_back") & Q(why=""),
                name="taken_back_says_why",
            ),
        ]
        indexes = [
            # All but those where nothing is left to do.
            models.Index(fields=["state"], condition=~Q(state="shown"), name="checking_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.state}"


class Saying(NamedTuple):
    """What the file of a telephone says of the check; nothing any more from `until` on."""

    method: str
    checking: bool
    until: datetime | None

    def at(self, moment: datetime) -> bool | None:
        return self.checking if self.until is None or moment < self.until else None


def sayings() -> dict[int, Saying | None]:
    """Of those that are told something, and of those that are to come back, which are told nothing: who has read it keeps it, and one
    that loses all that it was told, as by a reset, would check before it has a root again. Who came back is left out.
    """
    left = Checking.objects.exclude(state=Checking.State.SHOWN).filter(off_at=None)
    said = {Checking.State.TOLD.value: True, Checking.State.TAKEN_BACK.value: False}
    return {
        terminal: Saying(method, said[state], until) if state in said else None
        for terminal, method, state, until in left.order_by().values_list("terminal", "method", "state", "until")
    }


def next_change(now: datetime) -> int:
    """For a new row. Larger than that of any row that there was, also of those that are gone."""
    return max(newest_change()[1] + 1, int(now.timestamp()))


def newest_change() -> tuple[int, int]:
    """It is another one after each change."""
    found = Checking.objects.aggregate(rows=models.Count("pk"), newest=Max("change"))
    return found["rows"], found["newest"] or 0
