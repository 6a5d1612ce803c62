"""Telephones of four makers, simulated by another head than their drivers', at the listeners' own handlers: three generations in a
row, one that slept, one that is replaced, a roll back, a withdrawal.
"""

from urllib.parse import urlsplit

import pytest

from certificates.models import Generation
from pbxcerts.system.time import timekeeping
from terminals.directory import changes
from terminals.models import Installation, Terminal, TerminalType
from tests.support.asking import Listeners
from tests.support.generations import DAY
from tests.support.makers.at_handlers import ADDRESS, at_the_handlers
from tests.support.makers.flyingvoice import Flyingvoice
from tests.support.makers.grandstream import Grandstream
from tests.support.makers.snom import Snom
from tests.support.makers.yealink import Yealink

pytestmark = pytest.mark.simulation


MAKERS = {
    "yealink": (Yealink, "001565AABBCC", "pem", {}),
    "snom": (Snom, "000413AABBCC", "der", {}),
    "flyingvoice": (Flyingvoice, "0021F2AABBCC", "pem", {}),
    "grandstream": (Grandstream, "000B82AABBCC", "pem", {"needs_restart": False}),
}


@pytest.fixture(params=MAKERS)
def maker(request):
    return request.param


@pytest.fixture
def terminal(db, maker):
    _kind, mac, form, _options = MAKERS[maker]
    kind = TerminalType.objects.create(name=f"A {maker}", method=maker, wants="root", trust_format=form)
    return Terminal.objects.create(number="100", type=kind, mac=mac, address=ADDRESS)


@pytest.fixture
def phone(world, maker, terminal):
    kind, mac, _form, options = MAKERS[maker]
    return at_the_handlers(kind, Listeners(world), mac, **options)


@pytest.fixture
def holds(world, phone):
    """Which generations' roots it holds."""

    def numbers():
        ours = {one.root: one.number for one in Generation.objects.made()}
        return {ours[root] for root in phone.anchors}

    return numbers


def confirmed(terminal):
    return set(Installation.objects.filter(terminal=terminal).trusted().values_list("generation", flat=True))


def follows(world):
    """A further generation, prepared a day later."""
    world.after(DAY)
    return world.generate().number


def test_three_generations_in_a_row_each_before_the_switch(world, phone, terminal, holds):
    phone.polls()
    assert holds() == {1}
    for number in (2, 3, 4):
        assert follows(world) == number
        phone.polls(2)
        assert {number - 1, number} <= holds()
        assert {number - 1, number} <= confirmed(terminal)
        world.activate()
    phone.polls(3)

    assert {3, 4} <= holds()
    assert phone.refused == []
    assert phone.restarts == 0


def test_one_that_slept_through_one_gets_the_served_one_and_the_next(world, phone, terminal, holds):
    phone.polls()
    follows(world)
    world.activate()
    follows(world)

    phone.polls(2)

    assert {2, 3} <= holds()
    assert {2, 3} <= confirmed(terminal)


def test_one_that_was_reset_gets_all_of_it_again(world, phone, holds):
    follows(world)
    phone.polls(2)

    phone.forget()
    assert holds() == set()
    phone.polls(3)

    assert holds() == {1, 2}


def test_one_that_was_replaced_gets_all_of_it_and_what_the_other_confirmed_counts_no_longer(
    world, phone, terminal, holds, maker, monkeypatch
):
    follows(world)
    phone.polls(2)
    monkeypatch.setattr(timekeeping, "machine_time", lambda: world.now)
    other = f"{terminal.mac[:-1]}0"
    changes.forget([terminal.pk])
    Terminal.objects.filter(pk=terminal.pk).update(mac=other)
    assert confirmed(terminal) == set()

    phone.mac = other.lower()
    phone.forget()
    phone.polls(2)

    assert holds() == {1, 2}
    assert confirmed(terminal) == {1, 2}


def test_after_a_roll_back_it_holds_both_and_goes_on(world, phone, holds):
    follows(world)
    phone.polls(2)
    world.activate()
    world.roll_back()

    phone.polls(2)

    assert {1, 2} <= holds()
    assert phone.refused == []


def test_a_withdrawn_one_is_named_no_more(world, phone, terminal, maker, holds):
    follows(world)
    phone.polls(2)
    world.activate()
    follows(world)
    phone.polls(2)
    world.activate()
    world.withdraw(1)
    phone.asked.clear()

    phone.polls(2)

    assert {2, 3} <= holds()
    assert not any("/1." in asked.url for asked in phone.asked)
    if maker == "grandstream":
        assert holds() == {2, 3}


@pytest.mark.parametrize("maker", ["grandstream"])
def test_failed_attempts_cost_no_place(world, phone, holds):
    """However many there are: the served one stays, and the next one has a place."""
    for _attempt in range(6):
        follows(world)
        world.discard()
    number = follows(world)
    phone.polls()

    assert holds() == {1, number}
    assert len([slot for slot in phone.slots if slot]) == 2


@pytest.mark.parametrize("maker", ["grandstream"])
def test_nor_do_switches_that_failed(world, phone, holds):
    """Each was tried, and gone back from: the served one and the next one have a place of their own all the same."""
    phone.polls()
    for _attempt in range(5):
        follows(world)
        world.refuse_to_reload()
        assert world.activate().outcome == "went_back"
        world.reload_again()
    number = follows(world)
    phone.polls()

    assert holds() == {1, number}


@pytest.mark.parametrize("maker", ["grandstream"])
def test_one_that_is_withdrawn_before_it_is_served_is_held_no_longer(world, phone, holds):
    number = follows(world)
    phone.polls()
    assert holds() == {1, number}
    world.discard()
    world.withdraw(number)
    phone.polls()

    assert holds() == {1}


def test_a_stranger_with_its_user_agent_confirms_nothing(world, phone, terminal):
    listeners = Listeners(world)
    own = next(asked.url for asked in phone.polls().asked if asked.status == 200)
    Installation.objects.all().delete()

    assert listeners.get(urlsplit(own).path, phone.user_agent, "198.51.100.7").status == 200

    assert confirmed(terminal) == set()


@pytest.mark.parametrize("maker", ["grandstream"])
@pytest.mark.parametrize(("model", "numbers"), [("HT812", set()), ("GXP2170", {1})])
def test_one_of_a_family_with_other_parameters_takes_nothing_and_confirms_nothing(world, terminal, model, numbers):
    other = at_the_handlers(Grandstream, Listeners(world), terminal.mac, model=model)

    other.polls()

    assert any(asked.status == 200 for asked in other.asked)
    assert confirmed(terminal) == numbers
    assert ("P8433" in other.settings) == ("P193" in other.settings) == bool(numbers)
    assert Terminal.objects.get(pk=terminal.pk).firmware == other.firmware


STRANGERS = (
    "Yealink SIP-T46S 66.86.0.15 00:15:65:00:00:01",
    "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-1 000413000001 SXM:0 UXM:0)",
    "Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b82000001",
    "Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP",
    "A" * 60_000,
    "\x00\xff",
    "",
)
PATHS = ("/../x.cfg", "/%2e%2e/cfg.xml", "/cfg.xml", "/$MAC.cfg", "/{mac}.xml", "/snomD785.htm", "/cfg../.xml")


def test_another_makers_user_agent_gets_no_evidence_no_secret_and_no_error(world, phone, terminal):
    listeners = Listeners(world)
    phone.polls()
    Installation.objects.all().delete()
    for agent in STRANGERS:
        listeners.look()
        for path in {*PATHS, *(urlsplit(asked.url).path for asked in phone.asked)}:
            answer = listeners.get_next(path, agent, "198.51.100.7")
            assert answer.status in {200, 404}
            assert terminal.path_secret.encode() not in answer.body

    assert confirmed(terminal) == set()
