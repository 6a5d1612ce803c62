"""An installation with an active pair, and telephones that a rollout can be tried on."""

import pytest

from terminals.models import DeliverySettings
from terminals.readiness import KnownTerminals
from tests.support.fleet import Fleet
from tests.support.generations import a_world


@pytest.fixture
def key_file(tmp_path, settings):
    settings.KEY_FILE = tmp_path / "host-keys.key"
    return settings.KEY_FILE


@pytest.fixture
def world(db, tmp_path, key_file):
    """The first pair is active since 1 July 2026, 02:00 in Zurich; the handover asks the terminals of the database."""
    world = a_world(tmp_path / "store")
    world.telephones = KnownTerminals()
    world.generate()
    return world


@pytest.fixture
def fleet(world):
    """No telephone yet."""
    return Fleet(world)


@pytest.fixture
def delivery(db):
    """Change how the rollout goes: `delivery(waves=False)`."""

    def change(**values):
        DeliverySettings.load()
        DeliverySettings.objects.update(**values)

    return change
