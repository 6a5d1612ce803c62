"""Is anything due? One round of the heartbeat over the certificates (rule reconcile)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from certificates.communication_server.errors import StoreBusy, StoreError
from certificates.models import Generation, Settings, Switch, WhoCounts
from certificates.pki import handover_times
from certificates.renewal import lost_keys, making, orders, states, switching
from certificates.renewal.deciding import decide, tell_of_unknown_certificates
from certificates.renewal.handover import Readiness, Terminals
from certificates.renewal.orders import GenerationOrder, PairOrderRefused
from certificates.renewal.situation import Situation
from certificates.renewal.standing import StoreStanding
from certificates.renewal.succession import sign_succession
from certificates.renewal.switching import CommunicationServer
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time.clock import STILL_NOW, Clock

logger = logging.getLogger(__name__)

State = Generation.State
Why = Switch.Why

# A generation, its switch, and what follows from that; more rounds than this would be a loop.
MOST_STEPS = 8


@dataclass(frozen=True)
class RoundOutcome:
    """What a round did, and how things stood at its end. `publish_failure`: why the file system could not be written,
    "" where it could.

    `was_busy`: another process was publishing, so this round says nothing about the file system. `mended`: the files
    that differed although nobody had changed the database, and were put right. `is_elsewhere`: another machine publishes, and this
    round has left that to it.
    """

    situation: Situation
    did: bool = False
    publish_failure: str = ""
    was_busy: bool = False
    mended: tuple[str, ...] = ()
    is_elsewhere: bool = False


def reconcile(
    clock: Clock,
    *,
    terminals: Terminals,
    server: CommunicationServer,
    ask_clock: Callable[[], Clock] | None = None,
    settings: Settings | None = None,
) -> RoundOutcome:
    """Carry out what is ordered and what is due, then make the file system what the database says.

    `ask_clock` asks the NTP servers anew; it is called before each automatic generation, and from then on its answer counts.
    """
    did = False
    try:
        with server.store.locked():
            # Read only when locked: an earlier reading would undo what another process has published meanwhile.
            situation = Situation.load(clock, settings=settings, store=server.store)
            if situation.standing.rests:
                if not decide(situation, server, terminals):
                    return RoundOutcome(situation)
                did = True
                situation = Situation.load(clock, settings=situation.settings, store=server.store)
            elif situation.standing is StoreStanding.EMPTY:
                tell_of_unknown_certificates(situation)
            for _ in range(MOST_STEPS):
                switched = situation.switch is not None
                if ask_clock is not None and _generates(situation):
                    clock, ask_clock = ask_clock(), None
                    situation = situation.with_clock(clock)
                if not _step(situation, terminals, server):
                    break
                did = True
                situation = Situation.load(clock, settings=situation.settings, store=server.store)
                if switched:
                    # The switch may have taken minutes: the rest is for the next round, which reads the clock again.
                    break
            differed, forgot = _publish(situation, server, changed=did)
            mended = () if did or forgot else tuple(name for name in differed if name not in situation.not_yet_shown)
            did = did or forgot or bool(differed)
    except (StoreBusy, states.GenerationOvertaken) as other:
        logger.info("another process was faster: %s", other)
        return RoundOutcome(Situation.load(clock, store=server.store), did=did, was_busy=True)
    except (StoreError, SealingError) as error:
        logger.warning("publishing failed: %s", error)
        outcome = Situation.load(clock, store=server.store)
        return RoundOutcome(outcome, did=did, publish_failure=str(error))
    return RoundOutcome(situation, did=did, mended=mended)


def _step(situation: Situation, terminals: Terminals, server: CommunicationServer) -> bool:
    """Do the first thing that is to be done. Returns False where there is none."""
    if making.expire_claims(situation) or lost_keys.mend(situation, server.store):
        return True
    if situation.switch is not None:
        switching.carry_out(situation.switch, situation, server)
        return True
    ordered = next((row for row in situation.making if row.started_at is None), None)
    if ordered is not None:
        return making.make(ordered.number, situation.clock) is not None
    try:
        return _look_again(situation) or _hand_over(situation, terminals) or _generate(situation)
    except PairOrderRefused as refusal:
        # Somebody else was faster; the next round sees what they did.
        logger.info("not done: %s", refusal)
        return False


def _hand_over(situation: Situation, terminals: Terminals) -> bool:
    pending = situation.pending
    if pending is None:
        return False
    if situation.has_ended(pending):
        orders.discard_pair(pending, situation.clock, why="ended")
        return True
    if situation.is_ahead(pending):
        # Made while the clock ran ahead; it would keep a pair that carries calls from being made.
        orders.discard_pair(pending, situation.clock, why="ahead")
        return True
    why = switch_because(situation, readiness_of_pending(situation, terminals))
    if why is Why.CONFIRMED:
        # The server is switched by what was counted, never by what was kept (rule tally).
        why = switch_because(situation, readiness_of_pending(situation, terminals, counted=True))
    if pending in situation.lost_pairs:
        return lost_keys.give_up_if_in_the_way(pending, situation, why)
    if why is None or not situation.is_valid(pending):
        return False
    orders.order_switch(situation, why)
    return True


def readiness_of_pending(situation: Situation, terminals: Terminals, *, counted: bool = False) -> Readiness:
    """How far the terminals are with the prepared or held pair; nothing is missing where there is none. `counted`: as
    `Terminals.readiness` has it.
    """
    if situation.pending is None:
        return Readiness()
    return terminals.readiness(
        root_sha256=situation.pending.root_sha256,
        counts=situation.settings.handover_counts,
        now=situation.clock.machine,
        counted=counted,
    )


def switch_because(situation: Situation, ready: Readiness) -> Why | None:
    """Why the server is to be switched to the prepared or held pair now; None where it waits, or where there is no such
    pair (rules switch-when, deadline-held, only-valid).
    """
    pending, active, clock = situation.pending, situation.active, situation.clock
    if pending is None:
        return None
    if active is None:
        return Why.AT_ONCE
    end = active.plan.end
    has_passed = partial(clock.has_passed, active_end=end, one_server_suffices=True)
    if not situation.active_is_served or has_passed(end):
        return Why.ENDED
    if active.withdrawn_at is not None:
        return Why.WITHDRAWAL
    if pending.state == State.HELD and pending.held_because == Generation.Held.SWITCH_FAILED:
        return Why.RETRY if _switch_is_repeated(situation, pending, served_until=end) else None
    if pending.state == State.PREPARED:
        if pending.at_once or situation.settings.handover_counts == WhoCounts.NOBODY:
            return Why.AT_ONCE
        if ready.complete:
            return Why.CONFIRMED
    if pending.deadline is None or not has_passed(pending.deadline):
        return None
    held_until = handover_times.hold_ends(active_end=end, planned=pending.plan.planned)
    held = ready.holds_deadline and not has_passed(held_until)
    return None if held else Why.DEADLINE


def _switch_is_repeated(situation: Situation, pair: Generation, *, served_until: datetime | None) -> bool:
    """Whether the switch to this pair has failed and is to be tried again now."""
    at = next_try_of_switch(situation, pair, served_until=served_until)
    return at is not None and situation.clock.best >= at


def next_try_of_switch(situation: Situation, pair: Generation, *, served_until: datetime | None) -> datetime | None:
    """When the switch to this pair, which has failed, is tried again; None where none has failed (rules switch-failed,
    written-ahead). `served_until`: the end of the pair that is served instead; None where this one stayed.
    """
    failed_at = pair.switch_failed_at
    if failed_at is None or not pair.switch_failures:
        return None
    if failed_at > situation.clock.best + STILL_NOW:
        return situation.clock.best
    return handover_times.switch_retry_at(
        situation.settings.schedule, failed_at=failed_at, failures=pair.switch_failures, active_end=served_until
    )


def _look_again(situation: Situation) -> bool:
    """Reload and look once more, where a switch failed and its pair stayed."""
    active = situation.active
    if active is None or not _switch_is_repeated(situation, active, served_until=None):
        return False
    if not situation.is_valid(active):
        return False
    orders.order_switch_to(active, away_from=None, why=Why.REPEAT, now=situation.clock.best)
    return True


def _generates(situation: Situation) -> bool:
    """Whether a pair is to be made now without a person's order, if the clock allows it."""
    if situation.active is None or situation.making or situation.switch is not None or not situation.may_retry:
        return False
    return situation.is_replaced_at_once or situation.made_because is not None


def _generate(situation: Situation) -> bool:
    if not _generates(situation):
        return False
    override = situation.replacement_override if situation.is_replaced_at_once else ""
    if situation.is_replaced_at_once:
        trigger, because = Generation.Trigger.WITHDRAWAL, "withdrawal"
    elif situation.made_because is not None and situation.clock_allows:
        trigger, because = Generation.Trigger.SCHEDULE, situation.made_because.value
    else:
        return False
    order = GenerationOrder(trigger, because=because, reason=override, without_clock=bool(override))
    ordered = orders.order_generation(situation.clock, order, situation=situation, taken_up=True)
    making.carry_out(ordered, situation.clock, situation.settings)
    return True


def _publish(situation: Situation, server: CommunicationServer, *, changed: bool) -> tuple[list[str], bool]:
    """Put right the files that differ, then delete the keys that nobody needs any more. Returns which files differed,
    and whether a key was deleted.

    `changed`: the database has changed, so the files are written without looking at them first.
    """
    sign_succession(situation)
    wanted = situation.publication()
    kept = situation.kept_keys
    forgotten = [row.number for row in situation.generations if row.host_key is not None and row not in kept]
    published = bool(wanted.pairs or wanted.bundle)
    differences = server.store.differences(wanted) if published and not changed else []
    if differences or forgotten or (published and (changed or not situation.is_marked)):
        server.store.publish(wanted, situation.new_mark())
    if forgotten:
        served = server.store.current
        Generation.objects.filter(number__in=[number for number in forgotten if number != served]).update(
            host_key=None, key_deleted_at=situation.clock.best
        )
    return differences, bool(forgotten)


def publish(clock: Clock, server: CommunicationServer) -> Situation:
    """Write once more to the file system what the database holds. Raises StoreError or SealingError, and StateRefused where
    the store is not this database's (rule what-is-served-stays).
    """
    with server.store.locked():
        situation = Situation.load(clock, store=server.store)
        orders.refuse_while_undecided(situation)
        wanted = situation.publication()
        server.store.publish(wanted, situation.new_mark() if wanted.pairs or wanted.bundle else None)
    return situation
