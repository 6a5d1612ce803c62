"""Settings, generations and what happened to them. No other code than `states.py` changes a generation's state."""

from __future__ import annotations

from datetime import time, timedelta
from functools import cached_property, lru_cache
from ipaddress import ip_address
from typing import Self, TypeVar

from cryptography import x509
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from certificates.pki.identity import Identity
from certificates.pki.schedule import PairPlan, Schedule
from pbxcerts.system.database.prepared import prepared
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.models import General
from pbxcerts.system.sealing import SealedField


class KeyTypes(models.TextChoices):
    RSA2048 = "rsa2048", _("RSA 2048")
    RSA3072 = "rsa3072", _("RSA 3072")
    P256 = "p256", _("EC P-256")


class WhoCounts(models.TextChoices):
    """Whose confirmation the switch waits for (rule who-counts)."""

    ALL = "all", _("All terminals")
    AUTOMATIC = "automatic", _("Automatic terminals only")
    NOBODY = "nobody", _("Nobody (switch at once)")


class Settings(VersionedSettings):
    """The parameters of the page "Self-signed certificates"; one row, because it hangs on the one row of System / General."""

    general = models.OneToOneField(General, on_delete=models.PROTECT, primary_key=True, related_name="certificates")
    interval_days = models.PositiveSmallIntegerField(
        _("Generate new certificates automatically after (days)"),
        default=365,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
    )
    generation_time = models.TimeField(_("Generate certificates at (time)"), default=time(2, 0))
    overlap_days = models.PositiveSmallIntegerField(_("Overlap (days)"), default=30, validators=[MaxValueValidator(90)])
    handover_counts = models.CharField(
        _("Who counts for the handover"), max_length=9, choices=WhoCounts, default=WhoCounts.ALL
    )
    key_type = models.CharField(_("Key type"), max_length=7, choices=KeyTypes, default=KeyTypes.RSA2048)
    addresses_as_dns = models.BooleanField(_("Addresses also as DNS names (expert)"), default=False)
    # When interval, T, overlap or zone last changed (rule due-after-change).
    schedule_saved_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("Self-signed certificates")
        constraints = [
            models.CheckConstraint(condition=Q(interval_days__range=(1, 3650)), name="interval_from_1_to_3650_days"),
            models.CheckConstraint(condition=Q(overlap_days__lte=90), name="overlap_up_to_90_days"),
            models.CheckConstraint(
                condition=Q(overlap_days__lte=models.F("interval_days")), name="overlap_within_interval"
            ),
            models.CheckConstraint(condition=Q(key_type__in=KeyTypes.values), name="key_type_is_known"),
            models.CheckConstraint(condition=Q(handover_counts__in=WhoCounts.values), name="handover_counts_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.interval_days} days at {self.generation_time:%H:%M}"

    @classmethod
    def load(cls, general: General | None = None) -> Settings:
        """`general`: where somebody has read it already."""
        row = cls.found() if general is not None else next(iter(_with_general()), None)
        row = row or cls.objects.get_or_create(general=general or General.load())[0]
        if general is not None:
            row.general = general
        return row

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            interval_days=self.interval_days,
            time_of_day=self.generation_time,
            overlap_days=self.overlap_days,
            zone=self.general.zone,
        )


@prepared
def _with_general() -> models.QuerySet[Settings]:
    return Settings.objects.select_related("general").order_by()


class GenerationQuerySet(models.QuerySet["Generation"]):
    """Generations by what stands in the database. What depends on the clock is asked of the `Situation`."""

    def being_made(self) -> Self:
        return self.filter(state=Generation.State.MAKING)

    def waiting(self) -> Self:
        """The attempts that are ordered and that nobody has taken up yet."""
        return self.being_made().filter(started_at=None)

    def made(self) -> Self:
        """The attempts of which a pair came, whatever became of it."""
        return self.exclude(state__in=Generation.UNMADE)

    def active(self) -> Self:
        """The active pair: at most one."""
        return self.filter(state=Generation.State.ACTIVE)

    def active_to_read(self) -> Generation | None:
        """The active pair, without its files; None before the first."""
        return self.active().without_files().first()

    def pending(self) -> Self:
        """The prepared or held pair: at most one."""
        return self.filter(state__in=Generation.PENDING)

    def active_or_pending(self) -> Self:
        return self.filter(state__in=[Generation.State.ACTIVE, *Generation.PENDING])

    def without_key(self) -> Self:
        """For reading one generation: its key stays in the database."""
        return self.defer("host_key")

    def without_files(self) -> Self:
        """For reading many generations: their keys, certificates and signatures stay in the database."""
        return self.defer("host_key", "root_pem", "host_pem", "succession")


class Generation(models.Model):
    """One attempt to make a pair, and the pair that came of it. Its number is also its directory's name.

    `replaces` and `instead_of` are the slot (rule one-per-slot): the pair to be replaced (0 for the first) and the prepared
    or held one whose place a manual generation takes (0 for none).
    """

    class State(models.TextChoices):
        MAKING = "making", _("being made")
        FAILED = "failed", _("failed")
        PREPARED = "prepared", _("prepared")
        ACTIVE = "active", _("active")
        SUPERSEDED = "superseded", _("superseded")
        HELD = "held", _("held")
        DISCARDED = "discarded", _("discarded")
        WITHDRAWN = "withdrawn", _("withdrawn")

    UNMADE = (State.MAKING, State.FAILED)
    PENDING = (State.PREPARED, State.HELD)
    # What `failure` says where it is not the name of an error of the core. Histories of long ago hold these words, which were
    # the names of two classes then.
    FAILED_OVERTAKEN, FAILED_SEALING = "Overtaken", "HostKeyError"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        PAGE = "page", _("page")
        COMMAND = "command", _("command line")
        WITHDRAWAL = "withdrawal", _("withdrawal of a pair")
        ADOPTED = "adopted", _("found on the file system")

    class Held(models.TextChoices):
        SWITCH_FAILED = "switch_failed", _("the switch to it failed")
        ROLLED_BACK = "rolled_back", _("it was rolled back")

    number = models.PositiveIntegerField(primary_key=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.MAKING)
    replaces = models.PositiveIntegerField()
    instead_of = models.PositiveIntegerField(default=0)

    trigger = models.CharField(_("trigger"), max_length=10, choices=Trigger)
    by = models.CharField(_("person"), max_length=150, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    because = models.CharField(max_length=32, blank=True)
    at_once = models.BooleanField(_("at once"), default=False)
    restart_now = models.BooleanField(_("telephones restart now"), default=False)
    clock_override = models.CharField(_("confirmed in spite of the clock"), max_length=500, blank=True)

    ordered_at = models.DateTimeField(_("ordered at"))
    started_at = models.DateTimeField(_("started at"), null=True)
    made_at = models.DateTimeField(_("made at"), null=True)
    not_before = models.DateTimeField(_("valid from"), null=True)
    planned = models.DateTimeField(_("planned until"), null=True)
    end = models.DateTimeField(_("ends at"), null=True)
    deadline = models.DateTimeField(_("deadline of the handover"), null=True)

    interval_days = models.PositiveSmallIntegerField(default=0)
    overlap_days = models.PositiveSmallIntegerField(default=0)
    key_type = models.CharField(_("key type"), max_length=7, choices=KeyTypes)
    addresses_as_dns = models.BooleanField(default=False)
    dns_names = models.JSONField(_("DNS names"), default=list)
    ip_addresses = models.JSONField(_("IP addresses"), default=list)

    root_pem = models.TextField(blank=True)
    host_pem = models.TextField(blank=True)
    host_key = SealedField(null=True)
    root_sha256 = models.CharField(max_length=64, blank=True)
    host_sha256 = models.CharField(max_length=64, blank=True)
    # What its host key has signed last of the pair that is served; it stays when the key goes (rule signed-succession).
    succession = models.TextField(blank=True, editable=False)

    clock_state = models.CharField(_("clock"), max_length=10, blank=True)
    clock_offset = models.DurationField(_("offset"), null=True)
    clock_server = models.CharField(max_length=255, blank=True)
    clock_stratum = models.PositiveSmallIntegerField(null=True)
    clock_checked_at = models.DateTimeField(null=True)

    failure = models.CharField(max_length=32, blank=True)
    failure_detail = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True)

    took_over_from = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    # Of an adopted one: how many had taken over before it, as the store said (rule adopting).
    rank = models.PositiveIntegerField(null=True, editable=False)
    activated_at = models.DateTimeField(_("activated at"), null=True)
    leaves_bundle_at = models.DateTimeField(null=True)
    held_because = models.CharField(max_length=13, choices=Held, blank=True)
    discarded_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True)
    # Why its replacement is made by a clock that one server alone calls far off, as the person said who withdrew it.
    replacement_override = models.CharField(max_length=500, blank=True)
    switch_failures = models.PositiveSmallIntegerField(default=0)
    switch_failed_at = models.DateTimeField(null=True)
    key_deleted_at = models.DateTimeField(null=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        verbose_name = _("generation")
        # What lives is found, and its successors with it, without reading through a long history.
        indexes = [
            models.Index(fields=["state"], name="generation_by_state"),
            models.Index(fields=["replaces", "number"], name="generation_by_predecessor"),
            models.Index(fields=["number"], condition=Q(host_key__isnull=False), name="generation_with_key"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["replaces", "instead_of"],
                condition=~Q(state__in=["failed", "discarded", "withdrawn"]),
                name="one_attempt_per_slot",
            ),
            models.UniqueConstraint(fields=["state"], condition=Q(state="making"), name="at_most_one_is_being_made"),
            models.UniqueConstraint(fields=["state"], condition=Q(state="active"), name="at_most_one_active"),
            models.UniqueConstraint(
                models.Case(models.When(state__in=["prepared", "held"], then=models.Value(1))),
                name="at_most_one_prepared_or_held",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "making",
                        "failed",
                        "prepared",
                        "active",
                        "superseded",
                        "held",
                        "discarded",
                        "withdrawn",
                    ]
                ),
                name="generation_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["making", "failed"])
                | Q(made_at__isnull=False, not_before__isnull=False, planned__isnull=False, end__isnull=False),
                name="a_pair_has_its_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number:04d}"

    @property
    def is_pair(self) -> bool:
        """Whether a pair came of the attempt: it has its times then (constraint a_pair_has_its_times)."""
        return self.end is not None

    @property
    def plan(self) -> PairPlan:
        """The dates of the pair. Raises ValueError for an attempt of which no pair came."""
        if self.made_at is None or self.not_before is None or self.planned is None or self.end is None:
            raise ValueError(f"generation {self.number} is no pair")
        return PairPlan(made_at=self.made_at, not_before=self.not_before, planned=self.planned, end=self.end)

    @property
    def pending(self) -> bool:
        """Prepared or held: made, on the file system, not yet served."""
        return self.state in self.PENDING

    @property
    def overlap(self) -> timedelta:
        """The overlap that was set when the pair was made."""
        return timedelta(days=self.overlap_days)

    @property
    def identity(self) -> Identity:
        return Identity(
            dns_names=tuple(self.dns_names), addresses=tuple(ip_address(address) for address in self.ip_addresses)
        )

    @cached_property
    def root(self) -> x509.Certificate:
        return _certificate(self.root_pem)

    @cached_property
    def host(self) -> x509.Certificate:
        return _certificate(self.host_pem)


@lru_cache(maxsize=16)
def _certificate(text: str) -> x509.Certificate:
    """Those of a few generations are read by every page; what a text says never changes."""
    return x509.load_pem_x509_certificate(text.encode())


M = TypeVar("M", bound=models.Model, covariant=True)


class AppendedQuerySet(models.QuerySet[M]):
    """Rows that are appended and never deleted."""

    def newest_pk(self) -> int:
        """The primary key of the newest row; 0 where there is none yet."""
        return self.aggregate(newest=models.Max("pk"))["newest"] or 0

    def since(self, pk: int) -> Self:
        """What was appended after the row with this key, the oldest first."""
        return self.filter(pk__gt=pk).order_by("pk")


class TransitionQuerySet(AppendedQuerySet["Transition"]):
    pass


class SwitchQuerySet(AppendedQuerySet["Switch"]):
    def running(self) -> Self:
        """The switch that is not over yet: at most one."""
        return self.filter(running=True)

    def over(self) -> Self:
        return self.filter(running=None)

    def failed(self) -> Self:
        return self.filter(outcome__in=Switch.FAILED)


class Transition(models.Model):
    """One change of a generation's state: appended by `states.move`, never edited, never deleted."""

    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=10, choices=Generation.State, blank=True)
    to_state = models.CharField(max_length=10, choices=Generation.State)
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("person"), max_length=150, blank=True)
    why = models.CharField(max_length=32, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    objects = TransitionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("change of state")

    def __str__(self) -> str:
        return f"{self.generation_id} {self.from_state} -> {self.to_state}"


class Switch(models.Model):
    """One switch of the communication server to a pair: ordered, carried out, looked at (rule switch).

    `running` is True until it is over and then None: the unique index lets at most one run. `before` and `after` hold what
    each TLS address presented: {address: SHA-256 of the certificate, or ""}.
    """

    class Why(models.TextChoices):
        CONFIRMED = "confirmed", _("every terminal that counts has confirmed")
        DEADLINE = "deadline", _("the deadline has come")
        PERSON = "person", _("activated by a person")
        AT_ONCE = "at_once", _("generated at once")
        ENDED = "ended", _("the active pair has ended")
        WITHDRAWAL = "withdrawal", _("the active pair was withdrawn")
        RETRY = "retry", _("tried again after a failed switch")
        ROLL_BACK = "roll_back", _("rolled back by a person")
        REPEAT = "repeat", _("reload and look repeated")

    class Outcome(models.TextChoices):
        VERIFIED = "verified", _("seen with the new certificate")
        NOT_VERIFIED = "not_verified", _("not verified: no TLS address is set")
        UNREACHABLE = "unreachable", _("not verified: not reachable before and after")
        WENT_BACK = "went_back", _("failed; back to the pair served before")
        STAYS = "stays", _("failed; the new pair stays")
        REFUSED = "refused", _("not carried out")

    FAILED = (Outcome.WENT_BACK, Outcome.STAYS)

    to = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="switches")
    away_from = models.ForeignKey(Generation, on_delete=models.PROTECT, null=True, related_name="+")
    why = models.CharField(max_length=10, choices=Why)
    by = models.CharField(_("person"), max_length=150, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    ordered_at = models.DateTimeField()
    switched_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    running = models.BooleanField(null=True, default=True, unique=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    # How often the reload command was begun for the pair that is to be served now.
    reloads = models.PositiveSmallIntegerField(default=0)
    reload_failure = models.CharField(max_length=500, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True)

    objects = SwitchQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("switch")
        constraints = [
            models.CheckConstraint(condition=Q(running=True) | Q(running=None), name="a_switch_runs_or_is_over"),
            models.CheckConstraint(
                condition=Q(running=True, finished_at=None) | Q(running=None, finished_at__isnull=False),
                name="a_switch_that_is_over_has_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"to {self.to_id}: {self.outcome or 'running'}"


class StoreDecision(models.Model):
    """What a person has decided about a store that this database does not know (rule what-is-served-stays): one order, which
    the next round carries out and deletes. `installation` and `change` are those of the mark that the person saw, "" and 0
    where there was none: another one is another matter. `by` is "" where nobody has decided in time.
    """

    class Decision(models.TextChoices):
        ADOPT = "adopt", _("adopt what is served")
        FROM_DATABASE = "database", _("publish from the database")

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    decision = models.CharField(max_length=8, choices=Decision)
    installation = models.CharField(max_length=64, blank=True)
    change = models.PositiveBigIntegerField(default=0)
    by = models.CharField(_("person"), max_length=150, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    ordered_at = models.DateTimeField()

    class Meta:
        verbose_name = _("decision about the store")
        constraints = [
            models.CheckConstraint(condition=Q(singleton=True), name="one_decision_about_the_store"),
            models.CheckConstraint(
                condition=Q(decision__in=["adopt", "database"]), name="decision_about_the_store_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.by}"
