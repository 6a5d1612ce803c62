"""What comes next, as messages to the destinations tell it in advance (rule in-advance)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from certificates.renewal.handover import Terminals
from certificates.renewal.orders import first_deadline
from certificates.renewal.situation import Situation
from pbxcerts.system.notifications.ahead import Ahead, Coming
from terminals.by_hand.who import who_is_left, who_will_be_left
from terminals.rollout.nights import nights_of_restarts
from terminals.rollout.progress import RolloutProgress, rollout_progress


def what_comes(situation: Situation, terminals: Terminals) -> Coming | None:
    """The next generation, or the deadline of the handover that is under way, however far ahead it is. No query before it is
    worked out.
    """
    when = _when(situation)
    if when is None:
        return None
    at, number = when
    return Coming(at, number, lambda: _with_names(_work_out(situation, terminals, at, number, rollout_progress)))


def coming(
    situation: Situation, terminals: Terminals, *, progress_of: Callable[[Situation], RolloutProgress | None]
) -> Ahead | None:
    """The same for a page, which names nobody. `progress_of`: it reads the progress of the rollout anyway."""
    when = _when(situation)
    return _work_out(situation, terminals, *when, progress_of) if when is not None else None


def _when(situation: Situation) -> tuple[datetime, int | None] | None:
    """When it comes, and to which generation the handover leads that ends then."""
    pending, due = situation.pending, situation.due
    # Not when it is tried next: after a failure that moves every ten minutes.
    at = pending.deadline if pending is not None else due.at if due is not None else None
    if at is None or at - situation.clock.best <= timedelta():
        return None
    return at, pending.number if pending is not None else None


def _work_out(
    situation: Situation,
    terminals: Terminals,
    at: datetime,
    number: int | None,
    progress_of: Callable[[Situation], RolloutProgress | None],
) -> Ahead:
    if number is None:
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
        nights=nights_of_restarts(situation, progress.left_to_restart, begin=situation.clock.best),
        by_hand=progress.needs_person,
        until=at,
    )


def _with_names(ahead: Ahead) -> Ahead:
    if not ahead.by_hand:
        return ahead
    return replace(ahead, names=who_will_be_left() if ahead.number is None else who_is_left(ahead.number))
