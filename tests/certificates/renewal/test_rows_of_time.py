"""Rows 9 to 12 of the worked examples of the rules of time, through the real use cases: Zurich, 02:00."""

from datetime import timedelta

import pytest

from certificates.models import Generation
from certificates.pki.lifetime import Due, DueBecause, MakeBecause
from tests.support.generations import DAY, HOUR, utc

HALF_A_MINUTE = timedelta(seconds=30)


def test_row_9_an_overlap_as_long_as_the_interval(world):
    world.set(interval_days=7, overlap_days=7)
    first = world.generate()
    assert world.situation.due.at == utc("2026-07-08 00:00")
    assert first.plan.not_after == utc("2026-07-14 23:59:59")

    world.at("2026-07-07 23:59").beat()
    assert world.states == {1: "active"}
    world.at("2026-07-08 00:00").beat()
    assert world.states == {1: "active", 2: "prepared"}
    assert world.pending.deadline == utc("2026-07-11 00:00")
    world.at("2026-07-10 23:59").beat()
    assert world.states == {1: "active", 2: "prepared"}
    world.at("2026-07-11 00:00").beat()
    assert world.states == {1: "superseded", 2: "active"}


def test_row_10_a_machine_that_was_off(world):
    world.set(interval_days=7, overlap_days=7)
    world.generate()
    assert world.situation.due.at == utc("2026-07-08 00:00")

    world.at("2026-07-13 08:00").beat()  # back at 10:00 in Zurich, in office hours
    assert world.states == {1: "active"}
    assert world.situation.next_at == utc("2026-07-14 00:00")
    world.at("2026-07-13 23:59").beat()
    assert world.states == {1: "active"}
    world.at("2026-07-14 00:00").beat()
    assert world.pending.because == MakeBecause.SLOT
    assert world.pending.plan.not_after == utc("2026-07-27 23:59:59")
    assert world.pending.deadline == utc("2026-07-14 12:00")
    world.at("2026-07-14 12:00").beat()
    assert world.states == {1: "superseded", 2: "active"}


def test_row_11_a_shortened_interval(world):
    world.generate()
    world.at("2026-08-20 08:20").set(interval_days=30)
    world.beat()
    assert world.states == {1: "active"}
    assert world.situation.due == Due(utc("2026-08-21 00:00"), DueBecause.SETTINGS_CHANGED)
    world.at("2026-08-21 00:00").beat()
    assert world.pending.plan.not_after == utc("2026-10-19 23:59:59")
    assert world.pending.deadline == utc("2026-09-05 00:00")


@pytest.fixture
def rolled_back(world):
    """Row 12: rolled back on 20 July 2027 at 10:00, the second pair is held."""
    world.generate()
    world.at("2027-07-01 00:00").beat()
    world.at("2027-07-16 00:00").beat()
    assert world.states == {1: "superseded", 2: "active"}
    world.at("2027-07-20 08:00").roll_back()
    return world


def test_row_12_a_roll_back_has_a_deadline_of_its_own(rolled_back):
    assert rolled_back.states == {1: "active", 2: "held"}
    assert rolled_back.active.plan.not_after == utc("2027-07-30 23:59:59")
    assert rolled_back.situation.due is None
    assert rolled_back.pending.deadline == utc("2027-07-25 00:00")

    rolled_back.after(timedelta(minutes=1)).beat()  # the deadline it had before has passed long ago
    rolled_back.at("2027-07-24 23:59").beat()
    assert rolled_back.states == {1: "active", 2: "held"}
    rolled_back.at("2027-07-25 00:00").beat()
    assert rolled_back.states == {1: "superseded", 2: "active"}


def test_row_12_a_discarded_pair_is_replaced_in_the_next_night(rolled_back):
    rolled_back.at("2027-07-21 08:00").discard()
    assert rolled_back.states == {1: "active", 2: "discarded"}
    assert rolled_back.situation.due == Due(utc("2027-07-22 00:00"), DueBecause.PAIR_DISCARDED)
    rolled_back.at("2027-07-21 23:59").beat()
    assert 3 not in rolled_back.states
    rolled_back.at("2027-07-22 00:00").beat()
    assert rolled_back.states == {1: "active", 2: "discarded", 3: "prepared"}


def test_nothing_is_due_before_an_administrator_made_the_first(world):
    for _ in range(3):
        world.after(400 * DAY).beat()
    assert not Generation.objects.exists()


def test_a_slot_is_two_hours_long(running):
    night = utc("2027-07-01 00:00")
    running.at(night + 2 * HOUR).beat()
    assert running.states == {1: "active"}
    running.at(night + 2 * HOUR - HALF_A_MINUTE).beat()
    assert running.states == {1: "active", 2: "prepared"}
