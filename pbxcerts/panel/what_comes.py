"""What comes next, as messages to the destinations tell it in advance (rule in-advance)."""

from collections.abc import Callable
from datetime import timedelta

from certificates.renewal.handover import Terminals
from certificates.renewal.orders import first_deadline
from certificates.renewal.situation import Situation
from pbxcerts.system.notifications.ahead import STEPS, Ahead
from terminals.rollout.nights import nights_of_restarts
from terminals.rollout.progress import RolloutProgress, rollout_progress

TOLD_BEFORE = timedelta(days=max(STEPS))


def what_comes(situation: Situation, terminals: Terminals) -> Ahead | None:
    """The next generation, or the deadline of the handover that is under way, where it comes within a week; else None, which
    costs no query.
    """
    return coming(situation, terminals, within=TOLD_BEFORE)


def coming(
    situation: Situation,
    terminals: Terminals,
    *,
    within: timedelta = timedelta.max,
    progress_of: Callable[[Situation], RolloutProgress | None] = rollout_progress,
) -> Ahead | None:
    """As `what_comes`, however far ahead it is. `progress_of`: where somebody reads the progress of the rollout anyway."""
    pending, now = situation.pending, situation.clock.best
    if pending is not None:
        at, number = pending.deadline, pending.number
    else:
        # Not when it is tried next: after a failure that moves every ten minutes.
        at, number = (situation.due.at if situation.due is not None else None), None
    if at is None or not timedelta() < at - now <= within:
        return None
    if pending is None:
        forecast = terminals.forecast(situation)
        return Ahead(
            comes_at=at,
            in_service=forecast.exchanged_in_service,
            nights=nights_of_restarts(situation, forecast.restarting, begin=at),
            by_hand=forecast.by_hand,
            until=first_deadline(situation, at),
        )
    progress = progress_of(situation)
    if progress is None:
        return Ahead(comes_at=at, number=number)
    return Ahead(
        comes_at=at,
        number=number,
        in_service=progress.left_in_service,
        nights=nights_of_restarts(situation, progress.left_to_restart, begin=now),
        by_hand=progress.needs_person,
        until=at,
    )
