"""Who orders a proof by call, who takes it up, and how it ends (rule proof-by-call)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from certificates.call_proof.models import CallProof, CallProofSettings
from certificates.call_proof.steps import Finding, ProofOutcome, ProofStep, Result, StepRecord, outcome_of
from certificates.models import Generation
from pbxcerts.system.time.clock import STILL_NOW

WITHIN = 90.0
"""Seconds for all of it."""
LIMIT = timedelta(minutes=3)
"""Who has taken one up and not brought it to an end by then has been killed."""
TRIES = 2


def order_after_switch(served: int, now: datetime) -> None:
    """The pair that is served after a switch is to be proved; what was ordered for the one before is over. In the transaction that
    ends the switch.
    """
    CallProof.objects.running().update(running=None, outcome=ProofOutcome.OVERTAKEN, finished_at=now)
    if CallProofSettings.load().after_switch:
        _order(served, CallProof.Why.SWITCH, now)


def order_by_person(served: int, now: datetime, *, by: str) -> bool:
    """Whether it is ordered; False where one is under way already."""
    try:
        with transaction.atomic():
            _order(served, CallProof.Why.PERSON, now, by=by)
    except IntegrityError:
        return False
    return True


def _order(served: int, why: CallProof.Why, now: datetime, *, by: str = "") -> None:
    host = Generation.objects.filter(number=served).values_list("host_sha256", flat=True).get()
    CallProof.objects.create(generation_id=served, host_sha256=host, why=why, by=by, ordered_at=now)


def waits(newest: Iterable[CallProof], now: datetime) -> bool:
    """Whether one is to be taken up. `now` is by the machine's clock."""
    return any(proof.running and (proof.started_at is None or is_silent(proof, now)) for proof in newest)


def is_silent(proof: CallProof, now: datetime) -> bool:
    """Whether the process that has taken it up was killed (rule written-ahead)."""
    started = proof.started_at
    return started is not None and not -STILL_NOW <= now - started < LIMIT


def claim(now: datetime) -> CallProof | None:
    """Take up what is ordered (rule conditional-update); None where there is nothing, or somebody else has it. One that was begun
    twice and never came to an end is over.
    """
    silent = Q(started_at__lte=now - LIMIT) | Q(started_at__gt=now + STILL_NOW)
    free = CallProof.objects.running().filter(Q(started_at=None) | silent)
    free.filter(tries__gte=TRIES).update(running=None, outcome=ProofOutcome.INTERRUPTED, finished_at=now)
    if not free.update(started_at=now, tries=F("tries") + 1):
        return None
    return CallProof.objects.running().filter(started_at=now).first()


def finish(proof: CallProof, records: Iterable[StepRecord], now: datetime) -> bool:
    """Whether it was still ours to end."""
    kept = list(records)
    if any(record.finding is Finding.CREDENTIALS for record in kept):
        CallProofSettings.objects.update(refused=True)
    elif any(record.step is ProofStep.REGISTER and record.result is Result.OK for record in kept):
        CallProofSettings.objects.filter(refused=True).update(refused=False)
    return _end(proof, now, outcome=outcome_of(kept), steps=[record.kept() for record in kept])


def overtaken(proof: CallProof, now: datetime) -> bool:
    return _end(proof, now, outcome=ProofOutcome.OVERTAKEN)


def _end(proof: CallProof, now: datetime, **values: object) -> bool:
    mine = CallProof.objects.running().filter(pk=proof.pk, tries=proof.tries)
    return bool(mine.update(running=None, finished_at=now, **values))
