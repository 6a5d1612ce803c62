"""Which telephones pbxcerts has told to check where certificates come from, one row each (rule checking), and whose list of trust
anchors is emptied meanwhile (rule emptied-list).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from django.db import models
from django.db.models import Max, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from terminals.drivers.registry import COUNTING_FROM_RESTART, driver_of

ANOTHER_TIME = timedelta(minutes=2)
"""Who comes so much later asks anew, over another connection (rule patience); before that it may be the end of the same time."""
ONCE_MORE_AFTER = timedelta(minutes=5)
"""A telephone has restarted and registered by then; what it takes after that is another time."""


class CheckingQuerySet(models.QuerySet["Checking"]):
    def in_state(self, *states: Checking.State) -> Self:
        return self.filter(state__in=states)

    def of_type(self, type_: int) -> Self:
        return self.filter(terminal__type=type_)

    def that_check(self) -> Self:
        """Those that were told to and have read it, also where they have not read yet that it is taken back, or are told again."""
        not_off = Q(state__in=[Checking.State.TOLD, Checking.State.TAKEN_BACK], read_at__isnull=False, off_at=None)
        return self.filter(Q(state__in=[Checking.State.READ, Checking.State.SHOWN]) | not_off)

    def told_and_checking(self) -> Self:
        """Those that were told to and have read it, and that nobody has told to stop."""
        return self.in_state(Checking.State.READ, Checking.State.SHOWN)

    def told_to_stop_for_room(self) -> Self:
        """Those whose list is to be emptied, and that have not read yet that the check is taken back for it."""
        return self.in_state(Checking.State.TAKEN_BACK).filter(why=Checking.Why.ROOM)

    def being_emptied(self) -> Self:
        """Those that check no longer, so that their list is emptied, or for which it was, and that have not what is served again."""
        return self.in_state(Checking.State.OFF, Checking.State.EMPTIED)

    def to_come_back(self) -> Self:
        return self.in_state(Checking.State.READ, Checking.State.OFF, Checking.State.EMPTIED)

    def seen_by_nobody(self) -> Self:
        """Those whose list was emptied and that took the served one again: a person looks at the first of a type."""
        return self.in_state(Checking.State.EMPTIED).filter(shown_at__isnull=False)

    def stopping(self) -> Self:
        """Those for which no other telephone of their type is told until a person goes on."""
        for_a_reason = self.exclude(why__in=["", Checking.Why.SWITCHED_OFF, Checking.Why.ROOM])
        return for_a_reason.filter(gone_on=False, terminal__enabled=True)

    def changed_to(self, **values: Any) -> int:
        """Give these rows new values, and a number that the listeners do not know yet. The caller is alone (rule one-writer)."""
        newest = Checking.objects.order_by("-change").values("change")[:1]
        return self.update(change=Coalesce(Subquery(newest), 0) + 1, **values)


class Checking(models.Model):
    """What became of telling one telephone to check (rule checking). All times are by the machine's clock, as the listeners see them.

    `method`: the delivery method in whose words it was told. `until`: so long its file says what the state says, afterwards
    nothing. `asked_at`: when it was told, or told to stop, the last time; `attempts`: how often in a row. `took_at`: when one
    that is told, and for which what it takes counts from its next restart on, took its files the last time; it was asked once
    more if `asked_at` is later (rule first-check). `due_at`: by then it has to come back. `off_at`: when it took the file that
    takes the check back. `gone_on`: a person went on after it. `change` is a larger number with each change, so that the
    listeners see that there was one.

    Of one whose list is emptied (rule emptied-list): it is told to stop (`taken_back`, `why` is `room`), took that at `off_at`, took the
    file that empties at `read_at`, and the served one again at `shown_at`. `why` is `not_back` where it did not come on the way.
    """

    class State(models.TextChoices):
        TOLD = "told", _("told")
        READ = "read", _("has read it")
        SHOWN = "shown", _("came back")
        TAKEN_BACK = "taken_back", _("taken back")
        OFF = "off", _("stopped, to empty its list")
        EMPTIED = "emptied", _("its list is emptied")

    class Why(models.TextChoices):
        """Why it was taken back."""

        NOT_BACK = "not_back", _("it did not come back")
        PERSON = "person", _("a person took it back")
        SWITCHED_OFF = "switched_off", _("its type no longer says so")
        ROOM = "room", _("its list is full and is to be emptied")

    terminal = models.OneToOneField("terminals.Terminal", models.CASCADE, primary_key=True, related_name="checking")
    method = models.CharField(max_length=32)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.TOLD)
    asked_at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    took_at = models.DateTimeField(null=True)
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
                condition=Q(state__in=["told", "read", "shown", "taken_back", "off", "emptied"]),
                name="state_of_checking_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="read") | Q(read_at__isnull=False, due_at__isnull=False), name="read_says_when"
            ),
            models.CheckConstraint(condition=~Q(state="shown") | Q(shown_at__isnull=False), name="shown_says_when"),
            models.CheckConstraint(
                condition=Q(state="taken_back", taken_back_at__isnull=False)
                & Q(why__in=["not_back", "person", "switched_off", "room"])
                | Q(state__in=["off", "emptied"], why__in=["", "not_back"])
                | ~Q(state__in=["taken_back", "off", "emptied"]) & Q(why=""),
                name="taken_back_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(state="off") | Q(off_at__isnull=False, due_at__isnull=False), name="off_says_when"
            ),
            models.CheckConstraint(
                condition=~Q(state="emptied") | Q(read_at__isnull=False, due_at__isnull=False),
                name="emptied_says_when",
            ),
        ]
        indexes = [
            # All but those where nothing is left to do.
            models.Index(fields=["state"], condition=~Q(state="shown"), name="checking_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.state}"


class RenamedFiles(models.Model):
    """Since when a telephone's trust files have other names, because it may not fetch again what has a name that it knows: its list was
    emptied (rule emptied-list), or it has left what it is told (rule renamed-files).
    """

    terminal = models.OneToOneField("terminals.Terminal", models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.terminal_id} {self.at}"


class Saying(NamedTuple):
    """What the file of a telephone says of the check; nothing before `since`, and nothing any more from `until` on. `empties_from`: from
    when on it says to delete what it holds; `names_from`: from when on it names a trust anchor again, of those that were served alone
    (rule emptied-list).
    """

    method: str
    checking: bool
    until: datetime | None = None
    since: datetime | None = None
    empties_from: datetime | None = None
    names_from: datetime | None = None

    def at(self, moment: datetime) -> bool | None:
        is_over = self.until is not None and moment >= self.until
        return None if is_over or (self.since is not None and moment < self.since) else self.checking

    def empties(self, moment: datetime) -> bool:
        return self.empties_from is not None and moment >= self.empties_from

    def names_nothing(self, moment: datetime) -> bool:
        return self.names_from is not None and moment < self.names_from


def sayings() -> dict[int, Saying | None]:
    """Of those that are told something, and of those that are to come back, which are told nothing: who has read it keeps it, and one
    that loses all that it was told, as by a reset, would check before it has a root again. Who came back is left out.
    """
    left = Checking.objects.exclude(state=Checking.State.SHOWN)
    left = left.exclude(state=Checking.State.TAKEN_BACK, off_at__isnull=False).order_by()
    said = left.values_list("terminal", "method", "state", "until", "off_at", "read_at", "took_at", "asked_at")
    return {
        terminal: _said(method, state, until, off, read, took, asked)
        for terminal, method, state, until, off, read, took, asked in said
    }


def _said(
    method: str,
    state: str,
    until: datetime | None,
    off_at: datetime | None,
    read_at: datetime | None,
    took_at: datetime | None,
    asked_at: datetime,
) -> Saying | None:
    match state:
        case Checking.State.TOLD if method in COUNTING_FROM_RESTART:
            # Before it is shown that it has restarted with what it is to trust it is told nothing (rule first-check).
            if took_at is None or until is None or asked_at < took_at:
                return None
            shown_until = min(until, took_at + driver_of(method).capabilities.restarts_within)
            return Saying(method, checking=True, until=shown_until, since=took_at + ANOTHER_TIME)
        case Checking.State.TOLD:
            return Saying(method, checking=True, until=until)
        case Checking.State.TAKEN_BACK:
            return Saying(method, checking=False, until=until)
        case Checking.State.OFF if off_at is not None:
            return Saying(method, checking=False, empties_from=off_at + ANOTHER_TIME)
        case Checking.State.EMPTIED if read_at is not None:
            return Saying(method, checking=False, names_from=read_at + ANOTHER_TIME)
    return None


def renamed_files() -> dict[int, str]:
    """What the names of their trust files are made of beside their secret."""
    return {terminal: at.isoformat() for terminal, at in RenamedFiles.objects.values_list("terminal", "at")}


def newest_name() -> tuple[int, datetime | None]:
    """It is another one after each change."""
    found = RenamedFiles.objects.aggregate(rows=models.Count("pk"), newest=Max("at"))
    return found["rows"], found["newest"]


def next_change(now: datetime) -> int:
    """For a new row. Larger than that of any row that there was, also of those that are gone."""
    return max(newest_change()[1] + 1, int(now.timestamp()))


def newest_change() -> tuple[int, int]:
    """It is another one after each change."""
    found = Checking.objects.aggregate(rows=models.Count("pk"), newest=Max("change"))
    return found["rows"], found["newest"] or 0
