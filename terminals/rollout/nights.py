"""How many telephones restart in which night, as the rules of the waves let them (rules waves, restart-window)."""

from datetime import datetime

from certificates.renewal.situation import Situation
from terminals.rollout import waves
from terminals.rollout.progress import A_RESTART_TAKES
from terminals.rollout.target import delivery_settings

NIGHTS_AT_MOST = 14


def nights_of_restarts(situation: Situation, count: int, *, begin: datetime) -> tuple[tuple[datetime, int], ...]:
    """The beginning of each window from `begin` on, and about how many restart in it, if all are there and none
    fails. What is left after the last night that is named is counted with it. One query, without telephones none.
    """
    if not count:
        return ()
    delivery, schedule = situation.once(delivery_settings), situation.settings.schedule
    left, at = count, begin
    # Each of the first three waves begins a round of its own.
    small_rounds = 3 if delivery.waves else 0
    nights: list[tuple[datetime, int]] = []
    while left and len(nights) < NIGHTS_AT_MOST:
        at = waves.next_restarts(schedule, delivery.window_hours, at)
        closes = waves.restarts_until(schedule, delivery.window_hours, at) or at
        rounds = max(1, int((closes - at) / A_RESTART_TAKES) - small_rounds)
        small_rounds = 0
        restarting = min(left, rounds * delivery.at_once)
        nights.append((at, restarting))
        left -= restarting
        at = max(closes, at + A_RESTART_TAKES)
    if left:
        night, restarting = nights[-1]
        nights[-1] = (night, restarting + left)
    return tuple(nights)
