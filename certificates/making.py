"""Make a pair that was ordered: keys, certificates, the last look at them, then *prepared* in one transaction (DESIGN 3.3).

What is ordered is a row in state MAKING; whoever takes it up fills its slot, or leaves it failed.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction

from certificates import host_keys, lifecycle, states
from certificates.host_keys import HostKeyError
from certificates.models import Generation, Settings, Switch
from certificates.pki import formats, handover_times
from certificates.pki.authority import Pair, make_pair
from certificates.pki.errors import IdentityError, PairError
from certificates.pki.keys import KeyType
from certificates.pki.verify import verify_pair
from certificates.situation import Situation
from pbxcerts.system.clock import Clock

logger = logging.getLogger(__name__)

State = Generation.State

CLAIM_LASTS = timedelta(minutes=10)


def make(number: int, clock: Clock) -> Generation | None:
    """Take up an ordered generation and carry it out. Returns None where another worker has it."""
    if not Generation.objects.filter(number=number, state=State.MAKING, started_at=None).update(started_at=clock.now):
        return None
    # Read again: whoever ordered it may have changed them just before.
    return carry_out(Generation.objects.get(number=number), clock, Settings.load())


def carry_out(generation: Generation, clock: Clock, settings: Settings) -> Generation:
    """Keys, certificates, verification, then *prepared* in one transaction, of a generation that nobody else has taken up.

    A failure is a state of the attempt, not an exception.
    """
    number = generation.number
    identity = settings.general.identity
    plan = settings.schedule.plan(clock.best)
    try:
        pair = make_pair(
            number=number,
            identity=identity,
            key_type=KeyType(settings.key_type),
            addresses_as_dns=settings.addresses_as_dns,
            made_at=plan.made_at,
            not_before=plan.not_before,
            end=plan.end,
            organisation=settings.general.site_name,
        )
        verify_pair(pair, identity=identity, now=plan.made_at, addresses_as_dns=settings.addresses_as_dns)
        generation.made_at, generation.not_before = plan.made_at, plan.not_before
        generation.planned, generation.end = plan.planned, plan.end
        _prepare(generation, pair, settings, clock)
    except (IdentityError, PairError, HostKeyError, states.Overtaken) as error:
        _fail(number, clock, type(error).__name__, str(error))
    except Exception as error:
        logger.exception("generation %s failed", number)
        _fail(number, clock, "unexpected", type(error).__name__)
    else:
        return generation
    return Generation.objects.get(number=number)


def _prepare(generation: Generation, pair: Pair, settings: Settings, clock: Clock) -> None:
    encrypted = host_keys.encrypt(pair.host_key)
    identity = settings.general.identity
    with transaction.atomic():
        situation = Situation.load(clock, settings=settings)
        _still_fills_its_slot(generation, situation)
        at_once = generation.at_once or lifecycle.is_at_once(situation)
        if situation.pending is not None:
            states.move(
                situation.pending,
                State.DISCARDED,
                now=clock.best,
                by=generation.by,
                why="replaced",
                discarded_at=clock.best,
            )
        states.move(
            generation,
            State.PREPARED,
            now=clock.best,
            by=generation.by,
            why="made",
            at_once=at_once,
            made_at=generation.made_at,
            not_before=generation.not_before,
            planned=generation.planned,
            end=generation.end,
            deadline=None if at_once else _deadline(generation, situation),
            interval_days=settings.interval_days,
            overlap_days=settings.overlap_days,
            key_type=settings.key_type,
            addresses_as_dns=settings.addresses_as_dns,
            dns_names=list(identity.dns_names),
            ip_addresses=[str(address) for address in identity.addresses],
            root_pem=formats.pem(pair.root).decode(),
            host_pem=formats.pem(pair.host).decode(),
            root_sha256=formats.sha256_fingerprint(pair.root).replace(":", "").lower(),
            host_sha256=formats.sha256_fingerprint(pair.host).replace(":", "").lower(),
            host_key=encrypted,
        )
        if at_once:
            lifecycle.order_switch_to(
                generation,
                away_from=situation.active,
                why=Switch.Why.AT_ONCE,
                now=clock.best,
                by=generation.by,
                reason=generation.reason,
            )


def _still_fills_its_slot(generation: Generation, situation: Situation) -> None:
    found = (
        situation.active.number if situation.active else 0,
        situation.pending.number if situation.pending else 0,
    )
    if found != (generation.replaces, generation.instead_of) or situation.switch is not None:
        raise states.Overtaken("the active or the prepared pair has changed meanwhile")


def _deadline(generation: Generation, situation: Situation) -> datetime:
    assert generation.made_at is not None  # noqa: S101 - set by make()
    assert situation.active_end is not None  # noqa: S101 - not at once, so a pair is active
    return handover_times.deadline(
        situation.settings.schedule,
        made_at=generation.made_at,
        active_end=situation.active_end,
        overlap=situation.settings.schedule.overlap,
    )


def _fail(number: int, clock: Clock, failure: str, detail: str) -> None:
    generation = Generation.objects.get(number=number)
    # Where it is not: its claim had run out, so it has failed already.
    with suppress(states.StateError):
        states.move(
            generation,
            State.FAILED,
            now=clock.best,
            why=failure,
            failure=failure,
            failure_detail=detail,
            failed_at=clock.best,
        )


def expire_claims(situation: Situation) -> bool:
    """A claim that is not finished in ten minutes has failed. Returns whether there was one.

    One that lies a little ahead was made after this clock was read; one far ahead, before the clock was set back.
    """
    expired = [row for row in situation.making if abs(situation.clock.now - row.ordered_at) >= CLAIM_LASTS]
    for generation in expired:
        _fail(generation.number, situation.clock, "not_finished", "")
    return bool(expired)
