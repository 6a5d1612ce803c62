"""An installation before its first generation, and one with an active pair."""

import pytest

from tests.support.generations import a_world


@pytest.fixture
def key_file(tmp_path, settings):
    settings.KEY_FILE = tmp_path / "host-keys.key"
    return settings.KEY_FILE


@pytest.fixture
def world(db, tmp_path, key_file):
    """Nothing generated yet. 365 days, 02:00 in Zurich, 30 days of overlap; it is 1 July 2026, 02:00 there."""
    return a_world(tmp_path / "store")


@pytest.fixture
def running(world):
    """The first pair is active."""
    world.generate()
    assert world.states == {1: "active"}
    return world
