"""An installation before its first generation, and one with an active pair."""

import pytest

from tests.support.generations import a_world, utc


@pytest.fixture
def world(db, tmp_path, key_file, settings):
    """Nothing generated yet. 365 days, 02:00 in Zurich, 30 days of overlap; it is 1 July 2026, 02:00 there."""
    settings.STORE = tmp_path / "store"
    return a_world(settings.STORE)


@pytest.fixture
def running(world):
    """The first pair is active."""
    world.begin()
    return world


@pytest.fixture
def handing_over(running):
    """The second pair was made in the night in which it was due, and waits."""
    running.once("it is due", running.at("2027-07-01 00:00").beat)
    assert running.states == {1: "active", 2: "prepared"}
    assert running.pending.deadline == utc("2027-07-16 00:00")
    return running


@pytest.fixture
def prepared(running):
    """One pair is active, a second one prepared."""
    running.once("a person generates", running.generate)
    assert running.states == {1: "active", 2: "prepared"}
    return running
