"""The settings of the proof by call, and what came of each (rule proof-by-call)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from certificates.call_proof import steps
from certificates.call_proof.steps import StepRecord
from pbxcerts.system.database.prepared import prepared
from pbxcerts.system.database.versioned import VersionedSettings
from pbxcerts.system.sealing import SealedField


class CallProofSettings(VersionedSettings):
    """One row. Without a user nobody registers and nothing is called."""

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    after_switch = models.BooleanField(_("after each switch"), default=True)
    domain = models.CharField(_("SIP domain of the test account"), max_length=253, blank=True)
    user = models.CharField(_("test account"), max_length=128, blank=True)
    password = SealedField(null=True)
    number = models.CharField(_("test number"), max_length=64, blank=True)
    # The server has not taken this user and password; nobody tries them again by himself.
    refused = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("Proof by call")
        constraints = [models.CheckConstraint(condition=Q(singleton=True), name="one_row_of_call_proof_settings")]

    def __str__(self) -> str:
        return self.user or "-"


LAST = 5


class CallProofQuerySet(models.QuerySet["CallProof"]):
    def running(self) -> Self:
        """The one that is not over yet: at most one."""
        return self.filter(running=True)


class CallProof(models.Model):
    """One proof of the pair that was served then. `running` is True until it is over and then None: the unique index lets at most
    one be ordered or run. `host_sha256` is the certificate that every address had to present. `tries`: how often a process has
    taken it up.
    """

    class Why(models.TextChoices):
        SWITCH = "switch", _("after a switch")
        PERSON = "person", _("asked for by a person")

    class Outcome(models.TextChoices):
        PROVED = steps.ProofOutcome.PROVED.value, _("proved")
        TLS_FAILED = steps.ProofOutcome.TLS_FAILED.value, _("failed: TLS")
        SIP_FAILED = steps.ProofOutcome.SIP_FAILED.value, _("failed: SIP")
        MEDIA_FAILED = steps.ProofOutcome.MEDIA_FAILED.value, _("failed: speech")
        INTERRUPTED = steps.ProofOutcome.INTERRUPTED.value, _("interrupted")
        OVERTAKEN = steps.ProofOutcome.OVERTAKEN.value, _("overtaken by another switch")

    generation = models.ForeignKey("certificates.Generation", on_delete=models.PROTECT, related_name="call_proofs")
    host_sha256 = models.CharField(max_length=64)
    why = models.CharField(max_length=8, choices=Why)
    by = models.CharField(_("person"), max_length=150, blank=True)
    ordered_at = models.DateTimeField()
    # By the machine's clock (rule which-clock).
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    running = models.BooleanField(null=True, default=True, unique=True)
    tries = models.PositiveSmallIntegerField(default=0)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True)
    steps = models.JSONField(default=list)

    objects = CallProofQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("proof by call")
        constraints = [
            models.CheckConstraint(condition=Q(running=True) | Q(running=None), name="a_proof_runs_or_is_over"),
            models.CheckConstraint(
                condition=Q(running=True, finished_at=None, outcome="")
                | (Q(running=None, finished_at__isnull=False) & ~Q(outcome="")),
                name="a_proof_that_is_over_has_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"of {self.generation_id}: {self.outcome or 'running'}"

    @property
    def records(self) -> list[StepRecord]:
        return [record for record in map(StepRecord.read, self.steps) if record is not None]

    @property
    def has_failed(self) -> bool:
        return self.outcome in steps.FAILED

    @property
    def failure(self) -> StepRecord | None:
        """The first step that failed."""
        return next((record for record in self.records if record.result is steps.Result.FAILED), None)


@prepared
def newest_proofs() -> models.QuerySet[CallProof]:
    """The last ones, the newest first: of these the state of the proof can be told (`judged`)."""
    return CallProof.objects.order_by("-pk")[:LAST]


def judged(newest: Iterable[CallProof], host_sha256: str) -> CallProof | None:
    """The last proof that says something of this certificate."""
    over = (proof for proof in newest if proof.outcome not in ("", steps.ProofOutcome.OVERTAKEN))
    return next((proof for proof in over if proof.host_sha256 == host_sha256), None)
