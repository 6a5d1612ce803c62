"""Where event messages are sent to, what waits to be sent, and the watchdog outside."""

from __future__ import annotations

import uuid
from datetime import time, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.database.prepared import prepared
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.models import Severity, languages
from pbxcerts.system.notifications.faults import fault_text
from pbxcerts.system.sealing import SealedTextField
from pbxcerts.system.time.clock import MachineReading

LONGEST_PAUSE = timedelta(hours=1)
FAILS_FROM = 3
"""So many attempts in a row that failed, the first three within six minutes, are told at the other destinations."""


class Timing(models.TextChoices):
    AT_ONCE = "at_once", _("At once")
    DIGEST = "digest", _("Once a day, together")


class DestinationQuerySet(models.QuerySet["Destination"]):
    def in_use(self) -> DestinationQuerySet:
        return self.filter(enabled=True)

    def without_credentials(self) -> DestinationQuerySet:
        """To unseal them takes longer than to read the rows."""
        return self.defer("url", "secret")


class Destination(models.Model):
    """One place that is told. `options` is what its page shows, by kind; `url` and `secret` are sealed and never shown.

    `failures` counts attempts that failed in a row; `fault` and `said` are of the last one, or of one that succeeded only in
    part. `digested_on`: the local day of the last digest. `version` counts what administrators have saved (rule versioned-settings).
    """

    class Kind(models.TextChoices):
        EMAIL = "email", _("E-mail")
        SYSLOG = "syslog", _("Syslog")
        WEBHOOK = "webhook", _("Webhook")
        APPRISE = "apprise", _("Other service (Apprise)")

    name = models.CharField(_("name"), max_length=64, unique=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, editable=False)
    enabled = models.BooleanField(_("in use"), default=True)
    least_severity = models.CharField(_("from severity"), max_length=8, choices=Severity, default=Severity.SERIOUS)
    language = models.CharField(_("language"), max_length=16, choices=languages, default="de")
    timing = models.CharField(_("when"), max_length=8, choices=Timing, default=Timing.AT_ONCE)
    digest_at = models.TimeField(_("time of the digest"), default=time(7))
    positive = models.BooleanField(_("also what is over"), default=True)
    in_advance = models.BooleanField(_("also what comes"), default=True)
    options = models.JSONField(default=dict)
    url = SealedTextField()
    secret = SealedTextField()
    digested_on = models.DateField(null=True)
    failures = models.PositiveIntegerField(default=0)
    fault = models.CharField(max_length=32, blank=True)
    said = models.JSONField(default=dict)
    tried_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[models.Manager[Destination]] = DestinationQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("destination")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["email", "syslog", "webhook", "apprise"]), name="known_kind"),
            models.CheckConstraint(condition=Q(least_severity__in=Severity.values), name="known_least_severity"),
            models.CheckConstraint(condition=Q(timing__in=Timing.values), name="known_timing"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def wants(self) -> tuple[str, ...]:
        """The severities of which it is told."""
        order = [str(severity) for severity in Severity]
        return tuple(order[order.index(self.least_severity) :])

    @property
    def fault_text(self) -> str:
        """Why the last attempt failed and what to do, in the reader's language; "" where it did not."""
        return fault_text(self.fault, self.said) if self.fault else ""

    @property
    def fails(self) -> bool:
        return self.failures >= FAILS_FROM

    @property
    def where(self) -> str:
        """Where it leads, without a secret."""
        match self.kind:
            case self.Kind.EMAIL:
                return ", ".join(self.options["recipients"])
            case self.Kind.SYSLOG:
                return str(self.options["socket"] or self.options["server"])
            case _:
                return str(self.options.get("shown", ""))


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> DeliveryQuerySet:
        return self.filter(state=Delivery.State.WAITING)

    def due(self, now: MachineReading) -> DeliveryQuerySet:
        """What may be tried now, by CLOCK_BOOTTIME; after another start of the machine by its clock, unless that was ahead
        (rules which-clock, written-ahead).
        """
        same = Q(due_boot_id=now.boot_id, due_boottime__lte=now.boottime)
        other = ~Q(due_boot_id=now.boot_id) & (Q(due_at__lte=now.wall) | Q(due_at__gt=now.wall + 2 * LONGEST_PAUSE))
        return self.waiting().filter(same | other, due_at__isnull=False, destination__enabled=True)

    def given_up(self) -> DeliveryQuerySet:
        return self.filter(state=Delivery.State.GIVEN_UP)

    def collecting(self, destination: Destination) -> DeliveryQuerySet:
        """The one that has not been tried and takes what happens meanwhile."""
        return self.waiting().filter(destination=destination, attempts=0, kind__in=Delivery.COLLECTS)


class Delivery(models.Model):
    """One message to one destination. Whoever tries it counts `attempts` up in a conditional update and moves it into the
    future by the time that an attempt may take: that is its claim, which ends by itself (rule told-at-least-once).

    `entries`: [event message, "raised" or "over", severity], the worst first and at most 200 of them; `counts`: how many there are of which severity,
    and how many are over.
    `ahead`: what comes (`pbxcerts.system.notifications.ahead`). `matter`: what is told only once. Without `due_at` it waits for
    the time of the digest.
    """

    class Kind(models.TextChoices):
        EVENTS = "events", _("event messages")
        DIGEST = "digest", _("digest")
        AHEAD = "ahead", _("what comes")
        TEST = "test", _("test")

    class State(models.TextChoices):
        WAITING = "waiting", _("waits")
        DELIVERED = "delivered", _("delivered")
        GIVEN_UP = "given_up", _("given up")

    COLLECTS = (Kind.EVENTS, Kind.DIGEST)

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="deliveries")
    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    matter = models.CharField(max_length=64, blank=True)
    entries = models.JSONField(default=list)
    counts = models.JSONField(default=dict)
    ahead = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    made_boottime = models.FloatField()
    made_boot_id = models.CharField(max_length=36)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    due_boottime = models.FloatField(default=0)
    due_boot_id = models.CharField(max_length=36, blank=True)
    fault = models.CharField(max_length=32, blank=True)
    said = models.JSONField(default=dict)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Delivery]] = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["destination"], condition=Q(state="waiting"), name="deliveries_that_wait"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["destination"],
                condition=Q(state="waiting", attempts=0, kind__in=["events", "digest"]),
                name="one_delivery_collects_for_a_destination",
            ),
            models.UniqueConstraint(
                fields=["destination", "matter"], condition=~Q(matter=""), name="each_matter_is_told_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uid}"

    @property
    def count(self) -> int:
        """How many event messages it tells."""
        return sum(self.counts.values())

    @property
    def fault_text(self) -> str:
        return fault_text(self.fault, self.said) if self.fault else ""


def due_in(seconds: float, now: MachineReading) -> dict[str, Any]:
    """The columns of a delivery that is due after so long."""
    return {
        "due_at": now.wall + timedelta(seconds=seconds),
        "due_boottime": now.boottime + seconds,
        "due_boot_id": now.boot_id,
    }


@prepared
def destinations_in_use() -> models.QuerySet[Destination]:
    return Destination.objects.in_use().without_credentials()


class Watchdog(VersionedSettings):
    """The one row of the watchdog outside: a URL that is called after each heartbeat that succeeded.

    `failures` counts calls in a row that were not answered; `fault` and `said` are of the last one.
    """

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    url = SealedTextField()
    shown = models.CharField(max_length=255, blank=True)
    failures = models.PositiveIntegerField(default=0)
    fault = models.CharField(max_length=32, blank=True)
    said = models.JSONField(default=dict)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("watchdog")
        constraints = [models.CheckConstraint(condition=Q(singleton=True), name="one_row_of_watchdog")]

    def __str__(self) -> str:
        return self.shown

    @property
    def fault_text(self) -> str:
        return fault_text(self.fault, self.said) if self.fault else ""
