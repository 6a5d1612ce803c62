"""Telephones that take one trust anchor after the other, in a rollout (rules anchors-in-turn, first-notify)."""

from datetime import timedelta

import pytest
from django.utils import translation

from terminals.evidence.models import Requester
from terminals.models import Installation
from terminals.rollout.reasons import MissingReasons
from tests.support.generations import DAY, HOUR, MINUTE

pytestmark = pytest.mark.simulation


@pytest.fixture
def yealinks(fleet, delivery):
    """Telephones whose line was pasted just now: none of them has come yet, and no network proves what they fetch."""
    delivery(waves=False)
    kind = fleet.type("Yealink T46S", "yealink", wants="root")

    def add(count=1):
        return fleet.add(count, kind)

    return add


def prepared(fleet):
    """In the afternoon, when no telephone may restart."""
    fleet.world.at(fleet.world.now.replace(hour=14, minute=0))
    fleet.once("a second pair by day", fleet.world.generate)


def why(fleet, phone):
    with translation.override("en"):
        reasons = MissingReasons.load(fleet.world.situation, [phone.terminal.pk])
        return reasons.why(phone.terminal, phone.terminal.type, fleet.row(phone, 2))


def trusts(phone):
    return set(Installation.objects.filter(terminal=phone.terminal).trusted().values_list("generation", flat=True))


def test_one_that_has_neither_is_asked_again_as_soon_as_it_has_taken_the_served_one(fleet, yealinks):
    prepared(fleet)
    (phone,) = yealinks()
    fleet.fetch(phone)
    assert trusts(phone) == {1}

    fleet.during(30 * MINUTE)

    assert trusts(phone) == {1, 2}
    assert fleet.row(phone, 2).evidence == "fetched"
    assert len(phone.notified) == 1


def test_one_that_takes_the_served_one_because_it_was_asked_has_not_failed(fleet, yealinks, delivery):
    prepared(fleet)
    (phone,) = yealinks()
    # Somebody has come for its files, so it may be asked by day.
    Requester.objects.create(
        terminal=phone.terminal, source="192.0.2.50", address="192.0.2.50", last_at=fleet.world.now
    )

    fleet.during(2 * HOUR)

    assert trusts(phone) == {1, 2}
    assert len(phone.notified) == 2
    assert fleet.row(phone, 2).failure == ""


def test_where_only_its_answer_proves_it_the_next_one_waits_until_nobody_can_take_that_back(fleet, yealinks, delivery):
    delivery(telephone_networks=[])
    prepared(fleet)
    (phone,) = yealinks()
    Requester.objects.create(
        terminal=phone.terminal, source="192.0.2.99", address="192.0.2.99", last_at=fleet.world.now
    )
    began = fleet.world.now

    fleet.during(3 * HOUR)

    assert trusts(phone) == {1, 2}
    assert len(phone.notified) == 2
    assert phone.notified[1] - phone.notified[0] >= 45 * MINUTE
    assert phone.notified[0] - began < HOUR


def test_one_that_has_never_come_is_not_notified_by_day_because_it_might_restart(fleet, yealinks):
    prepared(fleet)
    (phone,) = yealinks()

    fleet.during(2 * HOUR)

    assert phone.notified == []
    assert "may restart it until then" in why(fleet, phone)


def test_it_is_notified_in_the_window_of_the_night(fleet, yealinks):
    prepared(fleet)
    (phone,) = yealinks()

    fleet.during(DAY)

    assert trusts(phone) == {1, 2}
    assert {at.astimezone(fleet.world.situation.settings.schedule.zone).hour for at in phone.notified} <= {2, 3, 4, 5}


def test_one_that_polls_is_never_asked(fleet, yealinks):
    prepared(fleet)
    (phone,) = yealinks()
    for _poll in range(2):
        fleet.fetch(phone)
        fleet.world.after(timedelta(minutes=2))

    fleet.during(2 * HOUR)

    assert trusts(phone) == {1, 2}
    assert phone.notified == []


def test_the_handover_goes_on_when_all_have_both(fleet, yealinks):
    phones = yealinks(3)
    fleet.fetch(*phones)
    fleet.once("a second pair", fleet.world.generate)
    fleet.until(fleet.world.pending.deadline)
    assert fleet.world.active.number == 2


# -- telephones that are not to be notified before they have come --------------------------------------------------------


def test_one_of_which_a_notification_could_make_a_factory_reset_is_not_asked_before_it_has_come(fleet, delivery):
    delivery(waves=False)
    prepared(fleet)
    (phone,) = fleet.add(1, fleet.type("Snom D785", "snom", wants="root", trust_format="der"))

    fleet.during(DAY)

    assert phone.notified == []
    assert fleet.row(phone, 2).state == "absent"
    assert "factory reset" in why(fleet, phone)

    Requester.objects.create(
        terminal=phone.terminal, source="192.0.2.50", address="192.0.2.50", last_at=fleet.world.now
    )
    fleet.during(2 * HOUR)

    assert phone.notified
