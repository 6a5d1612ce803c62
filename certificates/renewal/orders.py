"""What a person or the heartbeat can order of a pair (rules discard, roll-back, withdraw).

Every order takes the `Clock` it is judged by, checks in a transaction whether it is possible, and leaves what takes
long (making keys, switching the server) as a row that says "ordered". `rounds` carries out such rows, at once or after
a crash.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from certificates.models import Generation, Switch, WhoCounts
from certificates.pki import handover_times
from certificates.renewal import states
from certificates.renewal.situation import Situation
from pbxcerts.system.time import clock as clocks
from pbxcerts.system.time.clock import Clock, ClockVerdict

logger = logging.getLogger(__name__)

State = Generation.State
Trigger = Generation.Trigger


class PairOrderRefused(Exception):
    """A use case that is not possible now. The message is for a person and says what to do.

    PairOrderRefused
    ├── ClockRefused      the clock is in doubt: confirm it, or set NTP right
    │   └── EndedByAClock the new pair would have ended by one of the two clocks, which nobody can confirm away
    ├── StateRefused      the pair is not in a state that allows it, or somebody was faster
    │   └── BeingSwitched a switch is running, which lets nothing else change a pair (rule switch)
    └── SettingsRefused   System / General lacks something
    """


class ClockRefused(PairOrderRefused):
    pass


class EndedByAClock(ClockRefused):
    pass


class StateRefused(PairOrderRefused):
    pass


class BeingSwitched(StateRefused):
    def __init__(self) -> None:
        super().__init__(_("The communication server is just being switched. Try again when that is over."))


class SettingsRefused(PairOrderRefused):
    pass


@dataclass(frozen=True)
class GenerationOrder:
    """A new pair: who or what orders it, why, and how it is to be handed over.

    `because`: the code of an automatic generation, where a person gives a `reason`. `at_once`: the server is switched
    without a handover; `restart_now`: telephones then restart at once and not only at night, None: where they can't make
    calls anyway. `without_clock`: the person confirms a doubtful clock, with a reason where it is far off.
    """

    trigger: Trigger
    by: str = ""
    reason: str = ""
    because: str = ""
    at_once: bool = False
    restart_now: bool | None = None
    without_clock: bool = False

    @property
    def is_by_a_person(self) -> bool:
        return self.trigger in {Trigger.PAGE, Trigger.COMMAND}


def order_generation(
    clock: Clock, order: GenerationOrder, *, situation: Situation | None = None, taken_up: bool = False
) -> Generation:
    """Claim the slot: from here on exactly this attempt fills it (rule one-per-slot). Raises PairOrderRefused.

    `situation`: where it has just been read. `taken_up`: whoever orders it makes it right away (`making.carry_out`).
    """
    situation = situation or Situation.load(clock)
    refuse_while_undecided(situation)
    if not situation.general.identity:
        raise SettingsRefused(
            _("The communication server has no name and no address yet. Enter them under System / General.")
        )
    in_spite_of_clock = _confirms_clock(order, clock)
    if situation.new_pair_may_have_ended:
        raise EndedByAClock(
            _(
                "By the clock of this machine the new pair would have ended already. Set the clock right, or let the"
                " machine's clock count under System / General."
            )
        )
    if situation.switch is not None:
        raise BeingSwitched
    reason = order.reason[:500]
    restart_now = restarts_anyway(situation) if order.restart_now is None else order.restart_now
    generation = Generation(
        replaces=situation.active.number if situation.active else 0,
        instead_of=situation.pending.number if situation.pending else 0,
        trigger=order.trigger,
        by=order.by,
        reason=reason,
        because=order.because,
        at_once=order.at_once,
        restart_now=restart_now and (order.at_once or is_at_once(situation)),
        clock_override=(reason or "confirmed") if in_spite_of_clock else "",
        ordered_at=clock.machine,
        started_at=clock.machine if taken_up else None,
        key_type=situation.settings.key_type,
        **_clock_fields(clock),
    )
    try:
        with transaction.atomic():
            # Above all that was ever given, also by a database that was lost (rule store-mark).
            in_store = situation.store.mark.highest if situation.store.mark else 0
            generation.number = max(Generation.objects.aggregate(last=Max("number"))["last"] or 0, in_store) + 1
            states.begin(generation)
    except IntegrityError:
        raise StateRefused(_("A generation is just being made. Wait until it is done.")) from None
    return generation


def refuse_while_undecided(situation: Situation) -> None:
    """Refuse what changes a pair while the store is not this database's (rule what-is-served-stays). Raises StateRefused."""
    if situation.standing.rests:
        raise StateRefused(
            _(
                "The files of the communication server are not those of this database. First decide whether what is served is"
                " adopted or replaced: on the page of the certificates, or with “adopt” or “publish --from-database”."
            )
        )


def _confirms_clock(order: GenerationOrder, clock: Clock) -> bool:
    """Whether a person had to confirm the clock, and did (rules clock-gate, withdraw). Raises ClockRefused where that is
    missing.
    """
    if order.trigger == Trigger.SCHEDULE:
        return False
    verdict = clocks.manual(clock) if order.is_by_a_person else clocks.replacement(clock)
    match verdict:
        case ClockVerdict.REQUIRES_TICK if not order.without_clock:
            raise ClockRefused(
                _("It is not certain that the clock is right. Confirm that you want to generate all the same.")
            )
        case ClockVerdict.REFUSE_UNLESS_REASON if not (order.without_clock and order.reason.strip()):
            raise ClockRefused(
                _(
                    "The clock is more than 12 hours off. Set it right, or confirm with a reason that you want to generate."
                )
            )
    return verdict != ClockVerdict.DO


def _clock_fields(clock: Clock) -> dict[str, object]:
    measurement = clock.measurement
    return {
        "clock_state": clock.state.value,
        "clock_offset": measurement.offset if measurement else None,
        "clock_server": measurement.server if measurement else "",
        "clock_stratum": measurement.stratum if measurement else None,
        "clock_checked_at": measurement.checked_at if measurement else None,
    }


def is_at_once(situation: Situation) -> bool:
    """Whether the server is switched to a new pair without a handover (rule at-once)."""
    return (
        not situation.active_is_served
        or situation.settings.overlap_days == 0
        or situation.settings.handover_counts == WhoCounts.NOBODY
        or (situation.active is not None and situation.active.withdrawn_at is not None)
    )


def first_deadline(situation: Situation, made_at: datetime) -> datetime | None:
    """The deadline of the handover to a pair that is made at this instant (rule deadline); None where there is none."""
    if situation.active is None or is_at_once(situation):
        return None
    schedule = situation.settings.schedule
    return handover_times.deadline(
        schedule, made_at=made_at, active_end=situation.active.plan.end, overlap=schedule.overlap
    )


def restarts_anyway(situation: Situation) -> bool:
    """Whether a restart now costs the telephones nothing: those that trust only the active pair have no calls to lose,
    because it has ended or is withdrawn.
    """
    active = situation.active
    return active is not None and (situation.has_ended(active) or active.withdrawn_at is not None)


# -- the handover, by a person ----------------------------------------------------------------------------------------


def order_switch_to(
    to: Generation,
    *,
    away_from: Generation | None,
    why: Switch.Why,
    now: datetime,
    by: str = "",
    reason: str = "",
) -> Switch:
    """Order a switch of the communication server to this pair. Raises BeingSwitched where one is running already."""
    try:
        with transaction.atomic():
            return Switch.objects.create(
                to=to, away_from=away_from, why=why, by=by, reason=reason[:500], ordered_at=now
            )
    except IntegrityError:
        raise BeingSwitched from None


def order_switch(situation: Situation, why: Switch.Why, *, by: str = "", reason: str = "") -> Switch:
    """Order the switch to the prepared or held pair (rule only-valid). Raises PairOrderRefused."""
    refuse_while_undecided(situation)
    pending = _pending(situation)
    if not situation.is_valid(pending):
        raise StateRefused(_("The pair is not valid now, so it is not activated."))
    _has_its_key(situation, pending)
    return order_switch_to(pending, away_from=situation.active, why=why, now=situation.clock.best, by=by, reason=reason)


def activate(clock: Clock, *, by: str, reason: str = "") -> Switch:
    """A person activates the prepared or held pair. Raises PairOrderRefused."""
    return order_switch(Situation.load(clock), Switch.Why.PERSON, by=by, reason=reason)


def roll_back_target(situation: Situation) -> Generation:
    """The pair that the active one took over from, while it has an hour left. Raises StateRefused."""
    refuse_while_undecided(situation)
    before = situation.served_before
    if before is None or before.host_key is None:
        raise StateRefused(_("There is no pair to roll back to."))
    if not situation.is_valid(before) or situation.clock.best > before.plan.end - timedelta(hours=1):
        raise StateRefused(_("The pair served before has less than one hour left."))
    _has_its_key(situation, before)
    return before


def roll_back(clock: Clock, *, by: str, reason: str = "") -> Switch:
    """A person goes back to the pair that the active one took over from. Raises PairOrderRefused."""
    situation = Situation.load(clock)
    target = roll_back_target(situation)
    return order_switch_to(
        target, away_from=situation.active, why=Switch.Why.ROLL_BACK, now=clock.best, by=by, reason=reason
    )


def pair_to_discard(situation: Situation) -> Generation:
    """The prepared or held pair, where the schedule makes another in time (rule discard). Raises StateRefused."""
    refuse_while_undecided(situation)
    pending, active = _pending(situation), situation.active
    if situation.switch is not None:
        raise BeingSwitched
    if active is not None and not handover_times.replaceable_before(
        situation.settings.schedule,
        now=situation.clock.best,
        active_end=active.plan.end,
        overlap_made_with=active.overlap,
    ):
        raise StateRefused(
            _("The active pair ends too soon: a new pair could not be made at night any more. Generate now instead.")
        )
    return pending


def _has_its_key(situation: Situation, pair: Generation) -> None:
    """Raises StateRefused where the pair's host key is lost (rule key-lost)."""
    if pair in situation.lost_pairs:
        raise StateRefused(_("Its host key can't be decrypted: a key is missing in the key list."))


def _pending(situation: Situation) -> Generation:
    """The prepared or held pair. Raises StateRefused where there is none."""
    if situation.pending is None:
        raise StateRefused(_("No pair is prepared or held."))
    return situation.pending


def discard(clock: Clock, *, by: str, reason: str = "") -> Generation:
    """A person discards the prepared or held pair. Raises StateRefused."""
    with transaction.atomic():
        pair = pair_to_discard(Situation.load(clock))
        discard_pair(pair, clock, by=by, why="discarded", reason=reason)
    return pair


def discard_pair(pair: Generation, clock: Clock, *, why: str, by: str = "", reason: str = "") -> None:
    """Discard a prepared or held pair. Raises StateRefused where another process has changed its state meanwhile."""
    try:
        states.move(pair, State.DISCARDED, now=clock.best, by=by, why=why, reason=reason, discarded_at=clock.best)
    except states.StateChangeError:
        raise StateRefused(_("Somebody else has just changed this pair.")) from None


def move_deadline(clock: Clock, at: datetime, *, by: str) -> Generation:
    """A person moves the deadline (rule deadline). Raises StateRefused."""
    with transaction.atomic():
        situation = Situation.load(clock)
        refuse_while_undecided(situation)
        pending, active = situation.pending, situation.active
        if pending is None or active is None:
            raise StateRefused(_("No handover is under way."))
        if situation.switch is not None or pending.deadline is None:
            raise StateRefused(_("This handover does not wait for a deadline."))
        latest = latest_deadline(pending, active)
        if latest <= clock.best:
            raise StateRefused(_("The deadline can't be moved any more: the active pair ends too soon."))
        if not clock.best < at <= latest:
            zone = situation.general.zone
            raise StateRefused(
                _("The deadline must lie between now and %(latest)s.")
                % {"latest": f"{latest.astimezone(zone):%d.%m.%Y %H:%M}"}
            )
        if not Generation.objects.filter(number=pending.number, state=pending.state).update(deadline=at):
            raise StateRefused(_("Somebody else has just changed this pair."))
        states.remark(pending, now=clock.best, by=by, why="deadline_moved", reason=at.isoformat())
        pending.deadline = at
    return pending


def latest_deadline(pending: Generation, active: Generation) -> datetime:
    """How far a person can move the deadline of the handover from the active to the prepared or held pair (rule deadline)."""
    return handover_times.latest_deadline(active_end=active.plan.end, planned=pending.plan.planned)


def needs_replacement(situation: Situation, pair: Generation) -> bool:
    """Whether a new pair is made in the place of this one if it is withdrawn (rule withdraw)."""
    if pair.state != State.ACTIVE:
        return pair.pending
    return situation.pending is None or not situation.can_be_served(situation.pending)


def withdraw(clock: Clock, number: int, *, by: str, reason: str = "", without_clock: bool = False) -> Generation:
    """A person withdraws a pair whose key has leaked (rule withdraw). Raises PairOrderRefused.

    `without_clock`: the person confirms a clock that is in dispute, for the pair that takes its place; `reason` says why.
    """
    with transaction.atomic():
        situation = Situation.load(clock)
        refuse_while_undecided(situation)
        generation = Generation.objects.filter(number=number).first()
        if generation is None or not generation.is_pair:
            raise StateRefused(_("There is no pair %(number)s.") % {"number": number})
        if generation.withdrawn_at is not None:
            raise StateRefused(_("This pair is already withdrawn."))
        if situation.switch is not None:
            raise BeingSwitched
        if needs_replacement(situation, generation):
            replacement = GenerationOrder(Trigger.WITHDRAWAL, by=by, reason=reason, without_clock=without_clock)
            if _confirms_clock(replacement, clock):
                generation.replacement_override = reason.strip()[:500]
                generation.save(update_fields=["replacement_override"])
        if generation.state == State.ACTIVE:
            _withdraw_active(situation, generation, by=by, reason=reason)
        else:
            was_pending = generation.pending
            try:
                states.move(
                    generation,
                    State.WITHDRAWN,
                    now=clock.best,
                    by=by,
                    why="withdrawn",
                    reason=reason,
                    withdrawn_at=clock.best,
                )
            except states.StateChangeError:
                raise StateRefused(_("A pair in this state can't be withdrawn.")) from None
            if was_pending:
                _order_replacement(clock, by=by, reason=reason, at_once=False)
    return generation


def _order_replacement(clock: Clock, *, by: str, reason: str, at_once: bool) -> None:
    """Order a new pair in place of a withdrawn one, unless another pair has that place already."""
    situation = Situation.load(clock)
    if situation.active is not None and not situation.is_replaced_at_once:
        return
    # Whatever stands against it now, the pair is withdrawn; the heartbeat makes the new one as soon as it can.
    with suppress(PairOrderRefused):
        order_generation(
            clock,
            GenerationOrder(
                Trigger.WITHDRAWAL,
                by=by,
                reason=reason,
                because="withdrawal",
                at_once=at_once,
                without_clock=bool(situation.replacement_override),
            ),
        )


def _withdraw_active(situation: Situation, active: Generation, *, by: str, reason: str) -> None:
    now = situation.clock.best
    Generation.objects.active().filter(number=active.number).update(withdrawn_at=now)
    active.withdrawn_at = now
    states.remark(active, now=now, by=by, why="withdrawn", reason=reason)
    if situation.pending is not None and situation.can_be_served(situation.pending):
        order_switch(situation, Switch.Why.WITHDRAWAL, by=by, reason=reason)
    else:
        _order_replacement(situation.clock, by=by, reason=reason, at_once=True)
