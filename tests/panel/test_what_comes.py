"""What comes, as the heartbeat tells it in advance."""

from datetime import timedelta

import pytest

from certificates.renewal.handover import AskedOnce, known_terminals
from pbxcerts.panel.what_comes import what_comes
from tests.certificates.conftest import running, world

__all__ = ["running", "world"]
DAY = timedelta(days=1)


def ahead(world):
    return what_comes(world.situation, AskedOnce(known_terminals()))


def test_a_week_before_a_generation_it_is_told_when_it_comes_and_not_earlier(running):
    due = running.situation.due.at
    running.at(due - 8 * DAY)
    assert ahead(running) is None
    running.at(due - 7 * DAY)
    told = ahead(running)
    assert (told.comes_at, told.number, told.step(due - 7 * DAY)) == (due, None, 7)
    assert (told.nights, told.in_service, told.by_hand) == ((), 0, 0)
    assert told.until is not None
    assert told.step(due - DAY) == 1
    assert told.step(due) is None


def test_it_is_told_of_the_planned_time_and_not_of_a_repetition(running):
    """Which would move every ten minutes, and be told each time."""
    due = running.situation.due.at
    running.at(due + timedelta(hours=3))
    assert running.situation.next_at > running.situation.clock.best

    assert ahead(running) is None


def test_during_a_handover_its_deadline_is_told(running):
    made = running.generate()
    pending = running.situation.pending
    assert pending.number == made.number
    running.at(pending.deadline - DAY)
    told = ahead(running)

    assert (told.comes_at, told.number) == (pending.deadline, made.number)


@pytest.mark.django_db
def test_before_the_first_pair_nothing_comes(world):
    assert ahead(world) is None
