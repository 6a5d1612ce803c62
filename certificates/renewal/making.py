"""Make a pair that was ordered: keys, certificates, the last look at them, then *prepared* in one transaction.

What is ordered is a row in state MAKING (rules one-per-slot, verified-twice).
"""

import logging
from contextlib import suppress
from datetime import timedelta

from django.db import transaction

from certificates.models import Generation, Settings, Switch
from certificates.pki import formats
from certificates.pki.authority import Pair, make_pair
from certificates.pki.errors import IdentityError, PairError, ValidityError
from certificates.pki.keys import KeyType
from certificates.pki.schedule import PairPlan
from certificates.pki.verify import verify_pair
from certificates.renewal import lateness, orders, states
from certificates.renewal.situation import Situation
from pbxcerts.system import sealing
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time.clock import Clock

logger = logging.getLogger(__name__)

State = Generation.State

CLAIM_LASTS = timedelta(minutes=10)


def make(number: int, clock: Clock) -> Generation | None:
    """Take up an ordered generation and carry it out; None where another worker has it (rule conditional-update)."""
    if not Generation.objects.waiting().filter(number=number).update(started_at=clock.machine):
        return None
    # Read again: whoever ordered it may have changed them just before.
    return carry_out(Generation.objects.get(number=number), clock, Settings.load())


def carry_out(generation: Generation, clock: Clock, settings: Settings) -> Generation:
    """Make and verify keys and certificates of a generation that nobody else has taken up; then the pair is *prepared*
    in one transaction. A failure is a state of the attempt, not an exception.
    """
    number = generation.number
    identity = settings.general.identity
    plan = settings.schedule.plan(clock.best)
    try:
        if clock.may_have_passed(plan.end):
            raise ValidityError("the pair would have ended already by one of the two clocks")
        if clock.is_disputed and not generation.clock_override:
            raise ValidityError("one server alone says that the clock is far off")
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
        _prepare(generation, pair, plan, settings, clock)
    except states.GenerationOvertaken as error:
        _fail(number, clock, Generation.FAILED_OVERTAKEN, str(error))
    except SealingError as error:
        _fail(number, clock, Generation.FAILED_SEALING, str(error))
    except (IdentityError, PairError) as error:
        _fail(number, clock, type(error).__name__, str(error))
    except Exception as error:
        logger.exception("generation %s failed", number, extra={"generation": number})
        _fail(number, clock, "unexpected", type(error).__name__)
    else:
        return generation
    return Generation.objects.get(number=number)


def _prepare(generation: Generation, pair: Pair, plan: PairPlan, settings: Settings, clock: Clock) -> None:
    encrypted = sealing.seal(pair.host_key.reveal())
    identity = settings.general.identity
    with transaction.atomic():
        situation = Situation.load(clock, settings=settings)
        _still_fills_its_slot(generation, situation)
        at_once = generation.at_once or orders.is_at_once(situation)
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
            made_at=plan.made_at,
            not_before=plan.not_before,
            planned=plan.planned,
            end=plan.end,
            deadline=None if at_once else orders.first_deadline(situation, plan.made_at),
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
        lateness.tell_if_late(generation, situation)
        if at_once:
            orders.order_switch_to(
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
        raise states.GenerationOvertaken("the active or the prepared pair has changed meanwhile")


def _fail(number: int, clock: Clock, failure: str, detail: str) -> None:
    generation = Generation.objects.get(number=number)
    # Where it is not: its claim had run out, so it has failed already.
    with suppress(states.StateChangeError):
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
    """Let every attempt fail that is not finished in ten minutes (rule one-per-slot). Returns whether there was one.

    An order that lies a little ahead was given after this clock was read; one far ahead, before the clock was set back.
    """
    expired = [row for row in situation.making if abs(situation.clock.machine - row.ordered_at) >= CLAIM_LASTS]
    for generation in expired:
        _fail(generation.number, situation.clock, "not_finished", "")
    return bool(expired)
