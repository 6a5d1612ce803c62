"""What comes, as the heartbeat tells it in advance."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from certificates.renewal.handover import AskedOnce, known_terminals
from pbxcerts.panel.what_comes import what_comes
from tests.certificates.conftest import running, world

__all__ = ["running", "world"]
DAY = timedelta(days=1)


def comes(world):
    return what_comes(world.situation, AskedOnce(known_terminals()))


def test_it_is_known_at_any_time_when_a_generation_comes_and_a_week_before_it_is_a_step(running):
    due = running.situation.due.at
    running.at(due - 20 * DAY)
    told = comes(running)
    assert (told.at, told.number) == (due, None)
    assert [told.step(due - days * DAY) for days in (8, 7, 1, 0)] == [None, 7, 1, None]
    ahead = told.work_out()
    assert (ahead.comes_at, ahead.number) == (due, None)
    assert (ahead.nights, ahead.in_service, ahead.by_hand, ahead.names) == ((), 0, 0, ())
    assert ahead.until is not None


def test_until_it_is_worked_out_it_costs_no_query(running, django_assert_num_queries):
    situation, terminals = running.situation, AskedOnce(known_terminals())
    with django_assert_num_queries(0):
        coming = what_comes(situation, terminals)
    with CaptureQueriesContext(connection) as queries:
        coming.work_out()
    assert len(queries) > 0


def test_it_is_told_of_the_planned_time_and_not_of_a_repetition(running):
    """Which would move every ten minutes, and be told each time."""
    due = running.situation.due.at
    running.at(due + timedelta(hours=3))
    assert running.situation.next_at > running.situation.clock.best

    assert comes(running) is None


def test_during_a_handover_its_deadline_is_told(running):
    made = running.generate()
    pending = running.situation.pending
    assert pending.number == made.number
    running.at(pending.deadline - DAY)
    told = comes(running)

    assert (told.at, told.number) == (pending.deadline, made.number)
    assert told.work_out().comes_at == pending.deadline


@pytest.mark.django_db
def test_before_the_first_pair_nothing_comes(world):
    assert comes(world) is None
