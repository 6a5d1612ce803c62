"""The life of a generation: what a person or the heartbeat can do with a pair (DESIGN 3.3, 3.4).

Every use case takes the `Clock` it is judged by, checks in a transaction what it was told, and leaves what takes long
(making keys, switching the server) as a row that says "ordered". `reconciling` carries orders out, at once or after a crash.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from certificates import states
from certificates.models import Counts, Generation, Switch, Transition
from certificates.pki import handover_times
from certificates.situation import AN_HOUR, Situation
from pbxcerts.system import clock as clocks
from pbxcerts.system.clock import Clock, ClockVerdict

logger = logging.getLogger(__name__)

State = Generation.State
Trigger = Generation.Trigger


class Refused(Exception):
    """A use case that is not possible now. The message is for a person and says what to do.

    Refused
    ├── ClockRefused       the clock is in doubt: confirm it, or set NTP right
    ├── StateRefused       the pair is not in a state that allows it, or somebody was faster
    └── SettingsRefused    System / General lacks something
    """


class ClockRefused(Refused):
    pass


class StateRefused(Refused):
    pass


class SettingsRefused(Refused):
    pass


def order_generation(
    clock: Clock,
    *,
    trigger: Trigger,
    by: str = "",
    reason: str = "",
    because: str = "",
    at_once: bool = False,
    restart_now: bool | None = None,
    without_clock: bool = False,
    situation: Situation | None = None,
    started_at: datetime | None = None,
) -> Generation:
    """Claim the slot: from here on exactly this attempt fills it. `without_clock` confirms a doubtful clock (with a reason
    where it is far off); `situation` where it has just been read; `started_at` where who
    orders it makes it right away (`carry_out`). `restart_now`: a generation at once restarts telephones now
    and not only at night; None: where they can't make calls anyway. Raises Refused.
    """
    situation = situation or Situation.load(clock)
    if not situation.general.identity:
        raise SettingsRefused(
            _("The communication server has no name and no address yet. Enter them under System / General.")
        )
    in_spite_of_clock = False
    if trigger in {Trigger.PAGE, Trigger.COMMAND}:
        in_spite_of_clock = _check_clock(clock, without_clock=without_clock, reason=reason)
    if situation.switch is not None:
        raise StateRefused(_("The communication server is just being switched. Try again when that is over."))
    generation = Generation(
        replaces=situation.active.number if situation.active else 0,
        instead_of=situation.pending.number if situation.pending else 0,
        trigger=trigger,
        by=by,
        reason=reason[:500],
        because=because,
        at_once=at_once,
        restart_now=(at_once or is_at_once(situation))
        and (restarts_anyway(situation) if restart_now is None else restart_now),
        clock_override=(reason[:500] or "confirmed") if in_spite_of_clock else "",
        ordered_at=clock.now,
        started_at=started_at,
        key_type=situation.settings.key_type,
        **_clock_fields(clock),
    )
    try:
        with transaction.atomic():
            generation.number = (Generation.objects.aggregate(last=Max("number"))["last"] or 0) + 1
            states.begin(generation)
    except IntegrityError:
        raise StateRefused(_("A generation is just being made. Wait until it is done.")) from None
    return generation


def _check_clock(clock: Clock, *, without_clock: bool, reason: str) -> bool:
    """Whether a person had to confirm the clock, and did. Raises ClockRefused where that is missing."""
    verdict = clocks.manual(clock)
    match verdict:
        case ClockVerdict.REQUIRES_TICK if not without_clock:
            raise ClockRefused(
                _("It is not certain that the clock is right. Confirm that you want to generate all the same.")
            )
        case ClockVerdict.REFUSE_UNLESS_REASON if not (without_clock and reason.strip()):
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
    """No overlap, nothing to take over from, or nobody to wait for (DESIGN 3.4)."""
    return (
        not situation.active_is_served
        or situation.settings.overlap_days == 0
        or situation.settings.handover_counts == Counts.NOBODY
        or (situation.active is not None and situation.active.withdrawn_at is not None)
    )


def restarts_anyway(situation: Situation) -> bool:
    """Telephones that trust only a pair that has ended, or whose key has leaked, lose nothing by a restart now."""
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
    try:
        with transaction.atomic():
            return Switch.objects.create(
                to=to, away_from=away_from, why=why, by=by, reason=reason[:500], ordered_at=now
            )
    except IntegrityError:
        raise StateRefused(_("The communication server is just being switched. Try again when that is over.")) from None


def order_switch(situation: Situation, why: Switch.Why, *, by: str = "", reason: str = "") -> Switch:
    """Order the switch to the prepared or held pair. Only a pair that is valid now is ever activated. Raises Refused."""
    pending = situation.pending
    if pending is None:
        raise StateRefused(_("No pair is prepared or held."))
    if not situation.is_valid(pending):
        raise StateRefused(_("The pair is not valid now, so it is not activated."))
    return order_switch_to(pending, away_from=situation.active, why=why, now=situation.clock.best, by=by, reason=reason)


def activate(clock: Clock, *, by: str, reason: str = "") -> Switch:
    return order_switch(Situation.load(clock), Switch.Why.PERSON, by=by, reason=reason)


def order_repeat(situation: Situation) -> Switch:
    """Reload and look once more, where a switch failed and there was no pair to go back to."""
    assert situation.active is not None  # noqa: S101 - asked only of an active pair
    return order_switch_to(situation.active, away_from=None, why=Switch.Why.REPEAT, now=situation.clock.best)


def roll_back_target(situation: Situation) -> Generation:
    """The pair that the active one took over from, while it has an hour left. Raises StateRefused."""
    before = situation.served_before
    if before is None or before.host_key is None:
        raise StateRefused(_("There is no pair to roll back to."))
    assert before.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
    if not situation.is_valid(before) or situation.clock.best > before.end - AN_HOUR:
        raise StateRefused(_("The pair served before has less than one hour left."))
    return before


def roll_back(clock: Clock, *, by: str, reason: str = "") -> Switch:
    situation = Situation.load(clock)
    target = roll_back_target(situation)
    return order_switch_to(
        target, away_from=situation.active, why=Switch.Why.ROLL_BACK, now=clock.best, by=by, reason=reason
    )


def may_discard(situation: Situation) -> None:
    """Raises StateRefused where the pair would not be replaced in time (DESIGN 3.4)."""
    if situation.pending is None:
        raise StateRefused(_("No pair is prepared or held."))
    if situation.switch is not None:
        raise StateRefused(_("The communication server is just being switched. Try again when that is over."))
    active = situation.active
    if active is None or active.end is None:
        return
    if not handover_times.replaceable_before(
        situation.settings.schedule,
        now=situation.clock.best,
        active_end=active.end,
        overlap_made_with=active.overlap,
    ):
        raise StateRefused(
            _("The active pair ends too soon: a new pair could not be made at night any more. Generate now instead.")
        )


def discard(clock: Clock, *, by: str, reason: str = "") -> Generation:
    with transaction.atomic():
        situation = Situation.load(clock)
        may_discard(situation)
        assert situation.pending is not None  # noqa: S101 - may_discard has looked
        discard_pending(situation, by=by, why="discarded", reason=reason)
    return situation.pending


def discard_pending(situation: Situation, *, why: str, by: str = "", reason: str = "") -> None:
    assert situation.pending is not None  # noqa: S101 - the caller has looked
    try:
        states.move(
            situation.pending,
            State.DISCARDED,
            now=situation.clock.best,
            by=by,
            why=why,
            reason=reason,
            discarded_at=situation.clock.best,
        )
    except states.StateError:
        raise StateRefused(_("Somebody else has just changed this pair.")) from None


def move_deadline(clock: Clock, at: datetime, *, by: str) -> Generation:
    """Up to 24 hours before the active pair ends, and never past the prepared pair's own planned time."""
    with transaction.atomic():
        situation = Situation.load(clock)
        pending, active = situation.pending, situation.active
        if pending is None or active is None:
            raise StateRefused(_("No handover is under way."))
        if situation.switch is not None or pending.deadline is None:
            raise StateRefused(_("This handover does not wait for a deadline."))
        latest = latest_deadline(situation)
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
        Transition.objects.create(
            generation=pending,
            from_state=pending.state,
            to_state=pending.state,
            at=clock.best,
            by=by,
            why="deadline_moved",
            reason=at.isoformat(),
        )
        pending.deadline = at
    return pending


def latest_deadline(situation: Situation) -> datetime:
    assert situation.pending is not None  # noqa: S101 - the caller has looked
    assert situation.pending.planned is not None  # noqa: S101 - the constraint a_pair_has_its_times
    assert situation.active_end is not None  # noqa: S101 - the caller has looked
    return handover_times.latest_deadline(active_end=situation.active_end, planned=situation.pending.planned)


def withdraw(clock: Clock, number: int, *, by: str, reason: str = "") -> Generation:
    """A key has leaked: the pair leaves service and bundle as soon as that costs no call.

    The active pair stays served until another is: the prepared or held one at once, else a new one made at once. A
    prepared or held one is replaced by a new one, with handover; one served before just leaves the bundle.
    """
    with transaction.atomic():
        situation = Situation.load(clock)
        generation = Generation.objects.filter(number=number).first()
        if generation is None or not generation.is_pair:
            raise StateRefused(_("There is no pair %(number)s.") % {"number": number})
        if generation.withdrawn_at is not None:
            raise StateRefused(_("This pair is already withdrawn."))
        if situation.switch is not None:
            raise StateRefused(_("The communication server is just being switched. Try again when that is over."))
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
            except states.StateError:
                raise StateRefused(_("A pair in this state can't be withdrawn.")) from None
            if was_pending:
                _order_replacement(clock, by=by, reason=reason, at_once=False)
    return generation


def _order_replacement(clock: Clock, *, by: str, reason: str, at_once: bool) -> None:
    situation = Situation.load(clock)
    if situation.active is not None and not situation.is_replaced_at_once:
        return
    # Whatever stands against it now, the pair is withdrawn; the heartbeat makes the new one as soon as it can.
    with suppress(Refused):
        order_generation(clock, trigger=Trigger.WITHDRAWAL, by=by, reason=reason, because="withdrawal", at_once=at_once)


def _withdraw_active(situation: Situation, active: Generation, *, by: str, reason: str) -> None:
    now = situation.clock.best
    Generation.objects.filter(number=active.number, state=State.ACTIVE).update(withdrawn_at=now)
    active.withdrawn_at = now
    Transition.objects.create(
        generation=active,
        from_state=State.ACTIVE,
        to_state=State.ACTIVE,
        at=now,
        by=by,
        why="withdrawn",
        reason=reason[:500],
    )
    if situation.pending is not None and situation.is_valid(situation.pending):
        order_switch(situation, Switch.Why.WITHDRAWAL, by=by, reason=reason)
    else:
        _order_replacement(situation.clock, by=by, reason=reason, at_once=True)
