"""An installation with an active pair, and telephones that a rollout can be tried on."""

import pytest

from terminals.models import DeliverySettings
from terminals.rollout import rounds
from tests.support.fleet import Fleet
from tests.support.generations import SECOND, a_world
from tests.support.telephones import TerminalsOfTheDatabase


@pytest.fixture
def world(db, tmp_path, key_file, settings):
    """The first pair is active since 1 July 2026, 02:00 in Zurich; the handover asks the terminals of the database."""
    settings.STORE = tmp_path / "store"
    world = a_world(settings.STORE)
    world.telephones = TerminalsOfTheDatabase()
    world.begin()
    return world


@pytest.fixture
def fleet(world):
    """No telephone yet. Theirs is a network that an administrator has named, so what they fetch is proved."""
    DeliverySettings.load()
    DeliverySettings.objects.update(telephone_networks=["192.0.2.0/24", "2001:db8::/32"])
    return Fleet(world)


@pytest.fixture
def delivery(db):
    """Change how the rollout goes: `delivery(waves=False)`."""

    def change(**values):
        DeliverySettings.load()
        DeliverySettings.objects.update(**values)

    return change


@pytest.fixture
def seldom_looks(pauses_over_at_once, monkeypatch):
    """Also not in a round that asks over real sockets. A simulated one looks around less often than one that takes its time."""
    monkeypatch.setattr(rounds, "SHORTEST_PAUSE", 2 * SECOND)
    monkeypatch.setattr(rounds, "LONGEST_PAUSE", 6 * SECOND)
