"""Is anything due? One round of the heartbeat over the certificates (DESIGN 3.6).

It may run twice, on several machines and after any crash, and does nothing when nothing is due. Buttons and commands run
the same round, only now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from certificates import lifecycle, making, states, switching
from certificates.handover import Readiness, Terminals
from certificates.host_keys import HostKeyError
from certificates.lifecycle import Refused
from certificates.models import Counts, Generation, Settings, Switch
from certificates.pki import handover_times
from certificates.publishing import StoreBusy, StoreError
from certificates.situation import STILL_NOW, Situation
from certificates.switching import Server
from pbxcerts.system.clock import Clock

logger = logging.getLogger(__name__)

State = Generation.State
Why = Switch.Why

# A generation, its switch, and what follows from that; more rounds than this would be a loop.
MOST_STEPS = 8
HELD_AT_MOST_UNTIL = timedelta(hours=24)


@dataclass(frozen=True)
class Outcome:
    """What a round left: the last reading, whether anything was done, and why publishing failed ("" where it did not).

    `was_busy`: another process was publishing, so this round says nothing about the file system. `mended`: what was found
    changed under the store although nobody had done anything, and was put right.
    """

    situation: Situation
    did: bool = False
    publish_failure: str = ""
    was_busy: bool = False
    mended: tuple[str, ...] = ()


def reconcile(
    clock: Clock,
    *,
    terminals: Terminals,
    server: Server,
    ask_clock: Callable[[], Clock] | None = None,
    settings: Settings | None = None,
) -> Outcome:
    """Carry out what is ordered and what is due, then make the file system what the database says.

    `ask_clock` asks the NTP servers anew; it is called before each automatic generation, and from then on its answer counts.
    """
    did = False
    try:
        with server.store.locked():
            # Not before: what another process has just changed would be undone, `current` put back with it.
            situation = Situation.load(clock, settings=settings)
            for _ in range(MOST_STEPS):
                switched = situation.switch is not None
                if ask_clock is not None and _generates(situation):
                    clock, ask_clock = ask_clock(), None
                    situation = situation.with_clock(clock)
                if not _step(situation, terminals, server):
                    break
                did = True
                situation = Situation.load(clock, settings=situation.settings)
                if switched:
                    # That may have taken minutes: what follows from it is judged by a clock that is read then.
                    break
            differed, forgot = _publish(situation, server, changed=did)
            mended = () if did or forgot else tuple(differed)
            did = did or forgot or bool(differed)
    except (StoreBusy, states.Overtaken) as other:
        logger.info("another process was faster: %s", other)
        return Outcome(Situation.load(clock), did=did, was_busy=True)
    except (StoreError, HostKeyError) as error:
        logger.warning("publishing failed: %s", error)
        return Outcome(Situation.load(clock), did=did, publish_failure=str(error))
    return Outcome(situation, did=did, mended=mended)


def _step(situation: Situation, terminals: Terminals, server: Server) -> bool:
    """Do the first thing that is to be done; False where there is none."""
    if making.expire_claims(situation):
        return True
    if situation.switch is not None:
        switching.carry_out(situation.switch, situation, server)
        return True
    ordered = next((row for row in situation.making if row.started_at is None), None)
    if ordered is not None:
        return making.make(ordered.number, situation.clock) is not None
    try:
        return _look_again(situation) or _hand_over(situation, terminals) or _generate(situation)
    except Refused as refusal:
        # Somebody else was faster; the next round sees what they did.
        logger.info("not done: %s", refusal)
        return False


def _hand_over(situation: Situation, terminals: Terminals) -> bool:
    pending = situation.pending
    if pending is None:
        return False
    if situation.has_ended(pending):
        lifecycle.discard_pending(situation, why="ended")
        return True
    if situation.is_ahead(pending):
        # Made while the clock ran ahead; it would keep a pair that carries calls from being made.
        lifecycle.discard_pending(situation, why="ahead")
        return True
    why = switch_because(situation, readiness(situation, terminals))
    if why is None or not situation.is_valid(pending):
        return False
    lifecycle.order_switch(situation, why)
    return True


def readiness(situation: Situation, terminals: Terminals) -> Readiness:
    """How far the terminals are with the prepared or held pair; nothing is missing where there is none."""
    if situation.pending is None:
        return Readiness()
    return terminals.readiness(
        root_sha256=situation.pending.root_sha256,
        counts=situation.settings.handover_counts,
        now=situation.clock.best,
    )


def switch_because(situation: Situation, ready: Readiness) -> Why | None:
    """Why the server is to be switched to the prepared or held pair now; None where it waits."""
    pending, active, clock = situation.pending, situation.active, situation.clock
    assert pending is not None  # noqa: S101 - the caller has looked
    if active is None or active.end is None:
        return Why.AT_ONCE
    if not situation.active_is_served:
        return Why.ENDED
    if active.withdrawn_at is not None:
        return Why.WITHDRAWAL
    if pending.state == State.HELD and pending.held_because == Generation.Held.SWITCH_FAILED:
        assert pending.switch_failed_at is not None  # noqa: S101 - set with the state
        retry_at = handover_times.switch_retry_at(
            situation.settings.schedule,
            failed_at=pending.switch_failed_at,
            failures=pending.switch_failures,
            active_end=active.end,
        )
        return Why.RETRY if _is_time(situation, pending.switch_failed_at, retry_at) else None
    if pending.state == State.PREPARED:
        if pending.at_once or situation.settings.handover_counts == Counts.NOBODY:
            return Why.AT_ONCE
        if ready.complete:
            return Why.CONFIRMED
    if pending.deadline is None or not clock.has_passed(pending.deadline, active_end=active.end):
        return None
    held = ready.holds_deadline and not clock.has_passed(active.end - HELD_AT_MOST_UNTIL, active_end=active.end)
    return None if held else Why.DEADLINE


def _is_time(situation: Situation, failed_at: datetime, retry_at: datetime) -> bool:
    """Also where the failure lies ahead: a clock that was wrong then must not put the next attempt off for years."""
    return not failed_at - STILL_NOW <= situation.clock.best < retry_at


def _look_again(situation: Situation) -> bool:
    """Where a switch failed and there was no pair to go back to: reload and look after 1, 10, 60 minutes, then every hour."""
    active = situation.active
    if active is None or active.switch_failed_at is None or not active.switch_failures:
        return False
    at = handover_times.switch_retry_at(
        situation.settings.schedule,
        failed_at=active.switch_failed_at,
        failures=active.switch_failures,
        active_end=None,
    )
    if not _is_time(situation, active.switch_failed_at, at) or not situation.is_valid(active):
        return False
    lifecycle.order_repeat(situation)
    return True


def _generates(situation: Situation) -> bool:
    """Whether a pair is to be made now without a person's order, the clock left aside."""
    if situation.active is None or situation.making or situation.switch is not None or not situation.may_retry:
        return False
    return situation.is_replaced_at_once or situation.made_because is not None


def _generate(situation: Situation) -> bool:
    if not _generates(situation):
        return False
    if situation.is_replaced_at_once:
        trigger, because = Generation.Trigger.WITHDRAWAL, "withdrawal"
    elif situation.made_because is not None and situation.clock_allows:
        trigger, because = Generation.Trigger.SCHEDULE, situation.made_because.value
    else:
        return False
    clock = situation.clock
    ordered = lifecycle.order_generation(
        clock, trigger=trigger, because=because, situation=situation, started_at=clock.now
    )
    making.carry_out(ordered, clock, situation.settings)
    return True


def _publish(situation: Situation, server: Server, *, changed: bool) -> tuple[list[str], bool]:
    """Mend what differs, then let go of keys that nobody needs any more. Returns what differed, and whether a key went.

    `changed`: the database says something new, so nobody needs to look first.
    """
    wanted = situation.publication()
    forgotten = [row.number for row in situation.generations if row.host_key is not None and row not in situation.keyed]
    published = bool(wanted.pairs or wanted.bundle)
    differences = server.store.differences(wanted) if published and not changed else []
    if differences or forgotten or (published and changed):
        server.store.publish(wanted)
    if forgotten:
        served = server.store.current
        Generation.objects.filter(number__in=[number for number in forgotten if number != served]).update(
            host_key=None, key_deleted_at=situation.clock.best
        )
    return differences, bool(forgotten)


def publish(clock: Clock, server: Server) -> Situation:
    """Repeat publishing from the database. Raises StoreError or HostKeyError."""
    situation = Situation.load(clock)
    with server.store.locked():
        server.store.publish(situation.publication())
    return situation
