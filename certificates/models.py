"""Settings, generations and what happened to them. No other code than `states.py` changes a generation's state."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import cached_property
from ipaddress import ip_address

from cryptography import x509
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from certificates.pki.identity import Identity
from certificates.pki.schedule import Schedule
from pbxcerts.system.models import General
from pbxcerts.system.versioned import VersionedSettings


class KeyTypes(models.TextChoices):
    RSA2048 = "rsa2048", _("RSA 2048")
    RSA3072 = "rsa3072", _("RSA 3072")
    P256 = "p256", _("EC P-256")


class Counts(models.TextChoices):
    """Whose confirmation the switch waits for (DESIGN 3.4)."""

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
        _("Who counts for the handover"), max_length=9, choices=Counts, default=Counts.ALL
    )
    key_type = models.CharField(_("Key type"), max_length=7, choices=KeyTypes, default=KeyTypes.RSA2048)
    addresses_as_dns = models.BooleanField(_("Addresses also as DNS names (expert)"), default=False)
    # When N, T, V or the zone last changed: what was due before waits for the next T (DESIGN 3.1).
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
            models.CheckConstraint(condition=Q(handover_counts__in=Counts.values), name="handover_counts_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.interval_days} days at {self.generation_time:%H:%M}"

    @classmethod
    def load(cls) -> Settings:
        row = cls.objects.select_related("general").first()
        return row or cls.objects.get_or_create(general=General.load())[0]

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            interval_days=self.interval_days,
            time_of_day=self.generation_time,
            overlap_days=self.overlap_days,
            zone=self.general.zone,
        )


class Generation(models.Model):
    """One attempt to make a pair, and the pair that came of it. Its number is also its directory's name.

    `replaces` and `instead_of` are the slot: the pair to be replaced (0 for the first) and the prepared or held one whose
    place a manual generation takes (0 for none). At most one attempt fills a slot, whatever the number of workers.
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

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        PAGE = "page", _("page")
        COMMAND = "command", _("command line")
        WITHDRAWAL = "withdrawal", _("withdrawal of a pair")

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
    host_key = models.BinaryField(null=True)  # encrypted; see certificates.host_keys
    root_sha256 = models.CharField(max_length=64, blank=True)
    host_sha256 = models.CharField(max_length=64, blank=True)

    clock_state = models.CharField(_("clock"), max_length=10, blank=True)
    clock_offset = models.DurationField(_("offset"), null=True)
    clock_server = models.CharField(max_length=255, blank=True)
    clock_stratum = models.PositiveSmallIntegerField(null=True)
    clock_checked_at = models.DateTimeField(null=True)

    failure = models.CharField(max_length=32, blank=True)
    failure_detail = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True)

    took_over_from = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    activated_at = models.DateTimeField(_("activated at"), null=True)
    leaves_bundle_at = models.DateTimeField(null=True)
    held_because = models.CharField(max_length=13, choices=Held, blank=True)
    discarded_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True)
    switch_failures = models.PositiveSmallIntegerField(default=0)
    switch_failed_at = models.DateTimeField(null=True)
    key_deleted_at = models.DateTimeField(null=True)

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
        return bool(self.host_pem)

    @property
    def pending(self) -> bool:
        """Prepared or held: made, on the file system, not yet served."""
        return self.state in {self.State.PREPARED, self.State.HELD}

    @property
    def overlap(self) -> timedelta:
        """The V that this pair was made with."""
        return timedelta(days=self.overlap_days)

    @property
    def not_after(self) -> datetime:
        """What stands in the certificates: the last second of the pair (RFC 5280 4.1.2.5, inclusive)."""
        assert self.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
        return self.end - timedelta(seconds=1)

    @property
    def identity(self) -> Identity:
        return Identity(
            dns_names=tuple(self.dns_names), addresses=tuple(ip_address(address) for address in self.ip_addresses)
        )

    @cached_property
    def root(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.root_pem.encode())

    @cached_property
    def host(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.host_pem.encode())


class Transition(models.Model):
    """One change of a generation's state: appended by `states.move`, never edited, never deleted."""

    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=10, choices=Generation.State, blank=True)
    to_state = models.CharField(max_length=10, choices=Generation.State)
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("person"), max_length=150, blank=True)
    why = models.CharField(max_length=32, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("change of state")

    def __str__(self) -> str:
        return f"{self.generation_id} {self.from_state} -> {self.to_state}"


class Switch(models.Model):
    """One switch of the communication server to a pair: ordered, carried out, looked at (DESIGN 3.4 step 4).

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
        STAYS = "stays", _("failed; there is no pair to go back to")
        REFUSED = "refused", _("not carried out")

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
    reload_failure = models.CharField(max_length=500, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True)

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
