"""What the page always says when it is true (rule warnings). Each is an event message too, sent once per step.

The ids are stable: `status --json` and whoever reads it rely on them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certificates.call_proof.models import CallProof, judged
from certificates.models import Generation
from certificates.pki import handover_times, lifetime
from certificates.renewal.deciding import decided_at
from certificates.renewal.handover import Readiness
from certificates.renewal.lateness import missed_notice
from certificates.renewal.rounds import next_try_of_switch
from certificates.renewal.situation import Situation
from certificates.renewal.standing import StoreStanding
from certificates.status import warning_kinds as kinds
from pbxcerts.system.events import Notice
from pbxcerts.system.models import Severity
from pbxcerts.system.time.clock import WARNS_ABOVE, Clock, ClockState

HEARTBEAT_LATE = timedelta(minutes=5)
MISSING_STEPS = (7, 3, 1)
NAMED_AT_MOST = 20
_PROOF_FAILED = {
    CallProof.Outcome.TLS_FAILED.value: kinds.CALL_PROOF_TLS,
    CallProof.Outcome.SIP_FAILED.value: kinds.CALL_PROOF_SIP,
    CallProof.Outcome.MEDIA_FAILED.value: kinds.CALL_PROOF_MEDIA,
    CallProof.Outcome.INTERRUPTED.value: kinds.CALL_PROOF_INTERRUPTED,
}


@dataclass(frozen=True)
class Observations:
    """What the warnings need that is not in the situation: the terminals, the disk, the TLS addresses of the server,
    this machine's addresses, the heartbeat. `silent_for`: how long ago it ran, as `timekeeping.since_heartbeat` says.
    """

    readiness: Readiness = field(default_factory=Readiness)
    publish_failure: str = ""
    differences: tuple[str, ...] = ()
    wide_modes: tuple[str, ...] = ()
    lost_keys: tuple[int, ...] = ()
    presented: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    local_addresses: frozenset[str] | None = None
    last_run: datetime | None = None
    silent_for: timedelta | None = None
    clock_checked_at: datetime | None = None
    proofs: tuple[CallProof, ...] = ()


def certificate_warnings(situation: Situation, seen: Observations) -> list[Notice]:
    """Every warning that is true now, the worst first."""
    return worst_first(_all(situation, seen))


def worst_first(notices: Iterable[Notice]) -> list[Notice]:
    order = [Severity.CRITICAL, Severity.SERIOUS, Severity.NORMAL]
    return sorted(notices, key=lambda notice: order.index(notice.severity))


def clock_warnings(clock: Clock) -> Iterator[Notice]:
    seconds = (clock.corrected - clock.machine).total_seconds()
    match clock.state:
        case ClockState.OFF:
            yield Notice(kinds.CLOCK_OFF)
        case ClockState.UNANSWERED:
            yield Notice(kinds.CLOCK_UNANSWERED)
        case ClockState.WRONG:
            yield Notice(kinds.CLOCK_WRONG, params={"seconds": seconds})
        case ClockState.FAR_OFF:
            yield Notice(kinds.CLOCK_FAR_OFF, params={"seconds": seconds})
        case ClockState.RIGHT if clock.measurement is not None and abs(clock.measurement.offset) > WARNS_ABOVE:
            yield Notice(kinds.CLOCK_INEXACT, params={"seconds": seconds})
    if clock.warns and clock.measurement is not None and clock.measurement.disagreed:
        yield Notice(kinds.CLOCK_DISAGREE)
    if clock.jumped is not None:
        yield Notice(kinds.CLOCK_JUMPED, params={"seconds": clock.jumped.total_seconds()})


def heartbeat_warning(last_run: datetime | None, silent_for: timedelta | None) -> Iterator[Notice]:
    if last_run is not None and silent_for is not None and silent_for > HEARTBEAT_LATE:
        yield Notice(kinds.HEARTBEAT_MISSING, params={"last_run": last_run.isoformat()})


def _all(situation: Situation, seen: Observations) -> Iterator[Notice]:
    yield from _store_warning(situation)
    yield from clock_warnings(situation.clock)
    yield from heartbeat_warning(seen.last_run, seen.silent_for)
    if not situation.general.identity:
        yield Notice(kinds.NO_NAMES)
    if situation.active is None and situation.pending is None:
        yield Notice(kinds.NO_GENERATION)
    newest = situation.pending or situation.active
    if newest is not None and situation.clock.state != ClockState.RIGHT and _made_in_doubt(newest):
        yield Notice(kinds.CLOCK_LAST_CHANCE, subject=str(newest.number), params={"number": newest.number})
    if seen.publish_failure:
        yield Notice(kinds.PUBLISH_FAILED, params={"error": seen.publish_failure})
    elif seen.differences:
        yield Notice(kinds.FILES_DIFFER, params={"files": ", ".join(seen.differences)})
    if seen.wide_modes:
        yield Notice(kinds.MODES_WIDE, params={"files": ", ".join(seen.wide_modes[:NAMED_AT_MOST])})
    for number in seen.lost_keys:
        yield Notice(kinds.KEY_LOST, subject=str(number), params={"number": number})
    yield from _server_warnings(situation, seen)
    if situation.active is not None:
        yield from _active_warnings(situation, situation.active)
        yield from _proof_warning(situation.active, seen)
    if situation.pending is not None and situation.active is not None:
        yield from _handover_warnings(situation, situation.pending, situation.active, seen.readiness)


def _proof_warning(active: Generation, seen: Observations) -> Iterator[Notice]:
    proof = judged(seen.proofs, active.host_sha256)
    if proof is not None and proof.outcome in _PROOF_FAILED:
        failure = proof.failure
        where = {"where": failure.where, "said": failure.said} if failure else {}
        yield Notice(
            _PROOF_FAILED[proof.outcome], subject=str(active.number), params={"number": active.number, **where}
        )


def _store_warning(situation: Situation) -> Iterator[Notice]:
    of_standing = {
        StoreStanding.OLDER: kinds.STORE_OLDER,
        StoreStanding.FOREIGN: kinds.STORE_FOREIGN,
        StoreStanding.UNREADABLE: kinds.STORE_UNREADABLE,
    }
    if situation.standing in of_standing:
        until = decided_at(situation)
        yield Notice(of_standing[situation.standing], params={"until": until.isoformat() if until else "\N{EN DASH}"})


def _made_in_doubt(pair: Generation) -> bool:
    return pair.trigger == Generation.Trigger.SCHEDULE and pair.clock_state != ClockState.RIGHT


def _server_warnings(situation: Situation, seen: Observations) -> Iterator[Notice]:
    general, active = situation.general, situation.active
    if active is not None:
        missing = general.identity.missing_from(active.host)
        pending = situation.pending
        if missing and pending is not None and not general.identity.missing_from(pending.host):
            params = {"names": ", ".join(missing), "number": pending.number}
            yield Notice(kinds.NAMES_PREPARED, subject=str(pending.number), params=params)
        elif missing:
            yield Notice(kinds.NAMES_MISSING, params={"names": ", ".join(missing)})
        if situation.switch is None:
            for address in general.tls_addresses:
                sha256 = seen.presented.get(address, {}).get("sha256", "")
                if sha256 and sha256 != active.host_sha256:
                    yield Notice(kinds.PRESENTS_OTHER, subject=address, params={"address": address})
    if (
        general.on_this_machine
        and general.ip_addresses
        and seen.local_addresses is not None
        and not seen.local_addresses.intersection(general.ip_addresses)
    ):
        yield Notice(kinds.ADDRESS_GONE, params={"addresses": ", ".join(general.ip_addresses)})


def _active_warnings(situation: Situation, active: Generation) -> Iterator[Notice]:
    clock, number, plan = situation.clock, str(active.number), active.plan
    if situation.has_ended(active):
        yield Notice(kinds.PAIR_ENDED, subject=number, params={"end": plan.not_after.isoformat()})
    elif situation.ended_by_best(active):
        yield Notice(kinds.PAIR_ENDED_CORRECTED, subject=number, params={"end": plan.not_after.isoformat()})
    elif situation.begins_later(active):
        yield Notice(kinds.PAIR_NOT_YET_VALID, subject=number, params={"begin": plan.not_before.isoformat()})
    missed = situation.missed
    overdue = missed is not None or situation.failures > 0
    step = lifetime.ends_in_step(now=clock.best, end=plan.end, overlap_made_with=active.overlap, overdue=overdue)
    if step is not None:
        yield Notice(
            kinds.PAIR_ENDS, subject=number, step=str(step), params={"end": plan.not_after.isoformat(), "days": step}
        )
    if situation.settings.interval_days > active.interval_days:
        yield Notice(kinds.INTERVAL_LENGTHENED, subject=number, params={"made_with": active.interval_days})
    if active.withdrawn_at is not None:
        yield Notice(kinds.WITHDRAWN_SERVED, subject=number, params={"number": active.number})
    if active.switch_failures:
        yield Notice(kinds.SWITCH_UNPROVED, subject=number, params={"number": active.number})
    if situation.pending is not None:
        return
    if situation.failures:
        yield Notice(kinds.GENERATION_FAILED, subject=number, params={"failures": situation.failures})
    if missed is not None:
        yield missed_notice(active, missed, situation.next_at)


def _handover_warnings(
    situation: Situation, pending: Generation, active: Generation, readiness: Readiness
) -> Iterator[Notice]:
    number, clock = str(pending.number), situation.clock
    until = handover_times.hold_ends(active_end=active.plan.end, planned=pending.plan.planned)
    if pending.state == Generation.State.HELD:
        if pending.held_because == Generation.Held.SWITCH_FAILED:
            next_try = next_try_of_switch(situation, pending, served_until=active.plan.end)
            params = {
                "number": pending.number,
                "active": active.number,
                "next": next_try.isoformat() if next_try else "",
            }
            yield Notice(kinds.PAIR_HELD, subject=number, params=params)
        else:
            # A deadline that has come and is held up is no date on which anything happens.
            at = until if pending.deadline and pending.deadline <= clock.best < until else pending.deadline
            deadline = at.isoformat() if at else ""
            yield Notice(
                kinds.PAIR_ROLLED_BACK, subject=number, params={"number": pending.number, "deadline": deadline}
            )
    elif pending.deadline is not None and pending.deadline <= clock.best:
        # What holds it up is told below.
        pass
    elif pending.deadline is not None and not readiness.counting:
        params = {"number": pending.number, "deadline": pending.deadline.isoformat()}
        yield Notice(kinds.HANDOVER_WAITS_ALONE, subject=number, params=params)
    elif pending.deadline is not None:
        yield Notice(
            kinds.HANDOVER_WAITS,
            subject=number,
            params={
                "number": pending.number,
                "deadline": pending.deadline.isoformat(),
                "missing": f"{readiness.missing_count} ({_names(readiness, 5)})" if readiness.missing_count else "0",
            },
        )
    if pending.deadline is None:
        return
    left = pending.deadline - clock.best
    if readiness.missing_count and left > timedelta(0):
        reached = [step for step in MISSING_STEPS if left <= timedelta(days=step)]
        if reached:
            yield Notice(
                kinds.DEADLINE_NEAR,
                subject=number,
                step=str(min(reached)),
                params={"deadline": pending.deadline.isoformat(), "names": _names(readiness, NAMED_AT_MOST)},
            )
    if left <= timedelta(0) and clock.best < until:
        day, params = clock.best.astimezone(situation.general.zone).date().isoformat(), {"until": until.isoformat()}
        if readiness.rollout_stopped:
            yield Notice(kinds.DEADLINE_HELD, subject=number, step=day, params=params)
        if count := readiness.automatic_seen_but_unconfirmed:
            yield Notice(kinds.DEADLINE_HELD_BY_TERMINALS, subject=number, step=day, params={**params, "count": count})


def _names(readiness: Readiness, at_most: int) -> str:
    """The names of the first terminals that are missing."""
    named = [str(missing) for missing in readiness.missing[:at_most]]
    return ", ".join([*named, "…"] if readiness.missing_count > len(named) else named)
