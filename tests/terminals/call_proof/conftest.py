"""A PBX that serves what the store holds, and a proof of it (rule proof-by-call)."""

import pytest
from django.utils import translation

from certificates.call_proof import orders
from certificates.call_proof.models import CallProofSettings
from pbxcerts.system import sealing
from terminals.call_proof import media, telephone
from terminals.call_proof.proving import prove_ordered
from tests.support.sip_pbx import Pbx

PASSWORD = "four green bottles"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """What comes never is not waited for as long as the product does."""
    monkeypatch.setattr(media, "PACKETS", 40)
    monkeypatch.setattr(media, "TICK", 0.01)
    monkeypatch.setattr(media, "AFTERWARDS", 0.5)
    for name in ("ANSWER_WITHIN", "RINGS_FOR", "LEAVE_WITHIN"):
        monkeypatch.setattr(telephone, name, 1.0)


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


@pytest.fixture
def account(world):
    """Give a test account, with a number or without."""

    def give(number="echo", password=PASSWORD, **values):
        CallProofSettings.load()
        sealed = sealing.seal(password.encode())
        CallProofSettings.objects.update(user="proof", password=sealed, number=number, **values)

    return give


@pytest.fixture
def pbx(world):
    """It presents the pair behind this link of the store; its address stands under System / General."""
    with Pbx(*files(world, "current"), password=PASSWORD) as pbx:
        world.set(tls_addresses=[pbx.address])
        yield pbx


def files(world, place):
    directory = world.published(place)
    return directory / "fullchain.pem", directory / "host.key"


@pytest.fixture
def prove(world):
    """Order a proof and make it. Returns it."""

    def make():
        orders.order_by_person(world.situation.active.number, world.now, by="anna")
        return prove_ordered(world.clock())

    return make


def findings(proof):
    return {record.step.value: record.finding.value for record in proof.records}
