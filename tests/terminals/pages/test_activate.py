"""Activate the prepared pair before the terminals have it: what that costs is said in red first, and critically afterwards."""

import pytest

from certificates.models import Switch
from terminals.handover import KnownTerminals
from terminals.models import Installation
from terminals.rollout.warnings import TERMINALS_CUT_OFF

ACTIVATE = "/certificates/2/activate/"


@pytest.fixture
def trusting_the_first(mixed):
    """All 21 trust the pair that is served, and none the prepared one."""
    for phone in mixed.phones.values():
        Installation.objects.create(
            generation_id=1,
            terminal=phone.terminal,
            state="confirmed",
            confirmed_at=mixed.world.now,
            evidence="fetched",
        )
    return mixed


@pytest.fixture
def all_trust_the_second(mixed):
    Installation.objects.filter(generation=2).update(state="confirmed", confirmed_at=mixed.world.now)


def cut_off(world):
    return [notice.text for notice in KnownTerminals().warnings(world.situation) if notice.kind is TERMINALS_CUT_OFF]


def is_running():
    return Switch.objects.filter(running=True, to=2).exists()


def test_it_says_in_red_how_many_can_not_call_and_asks_for_the_password(mixed, operator_client, text, password):
    page = operator_client.get(ACTIVATE)

    assert (
        "21 terminals do not trust this generation: they will refuse the communication server and can't call."
        in text(page).replace("&#x27;", "'")
    )
    assert "Activate now, 21 terminals without calls" in text(page)
    assert "btn-danger" in page.content.decode()
    assert "Enter your password." in text(operator_client.post(ACTIVATE))
    assert "This is not your password." in text(operator_client.post(ACTIVATE, {"password": "wrong"}))
    assert not is_running()

    operator_client.post(ACTIVATE, {"password": password})
    assert is_running()


def test_one_is_enough(mixed, operator_client, text):
    Installation.objects.filter(generation=2).update(state="confirmed", confirmed_at=mixed.world.now)
    row = Installation.objects.filter(generation=2).first()
    Installation.objects.filter(pk=row.pk).take_back()

    assert "Activate now, 1 terminal without calls" in text(operator_client.get(ACTIVATE))
    operator_client.post(ACTIVATE)
    assert not is_running()


def test_where_nobody_would_refuse_it_is_a_click(mixed, all_trust_the_second, operator_client, text):
    page = operator_client.get(ACTIVATE)

    assert "No terminal will refuse the communication server." in text(page)
    assert "btn-danger" not in page.content.decode()
    operator_client.post(ACTIVATE)
    assert is_running()


def test_a_terminal_that_loses_it_while_the_page_is_open_makes_it_ask(
    mixed, all_trust_the_second, operator_client, text
):
    assert 'name="password"' not in operator_client.get(ACTIVATE).content.decode()
    Installation.objects.filter(generation=2).take_back()

    assert "Enter your password." in text(operator_client.post(ACTIVATE))
    assert not is_running()


def test_afterwards_the_page_says_critically_who_can_not_call_and_offers_the_way_back(
    trusting_the_first, operator_client, text
):
    world = trusting_the_first.world
    assert cut_off(world) == []

    world.activate()

    [said] = cut_off(world)
    assert "21 (100 desk 100, 101 desk 101, " in said
    page = operator_client.get("/certificates/")
    assert "terminals do not trust that could call before: 21" in text(page)
    assert 'href="/certificates/1/roll-back/"' in page.content.decode()

    world.roll_back()
    assert cut_off(world) == []


def test_only_those_are_cut_off_that_could_call_before_and_are_in_use(trusting_the_first):
    world = trusting_the_first.world
    new, disabled, ready, *_others = [phone.terminal for phone in trusting_the_first.phones.values()]
    Installation.objects.filter(generation=1, terminal=new).delete()
    type(disabled).objects.filter(pk=disabled.pk).update(enabled=False)
    Installation.objects.filter(generation=2, terminal=ready).update(state="confirmed", confirmed_at=world.now)

    world.activate()

    [said] = cut_off(world)
    assert ": 18 (103 desk 103, " in said
