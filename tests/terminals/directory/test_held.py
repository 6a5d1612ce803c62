"""Which trust anchors of ours a telephone holds that is told all at once, as its page says and as a simulated one has it."""

import re

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from certificates.models import Generation
from terminals.directory.held import held_at_once
from terminals.drivers.registry import drivers
from terminals.models import Installation, Terminal, TerminalType
from tests.support.asking import Listeners
from tests.support.makers.at_handlers import ADDRESS, at_the_handlers
from tests.support.makers.certificates import from_pem
from tests.terminals.web.test_makers import MAKERS, follows

pytestmark = pytest.mark.simulation

FETCHED = Installation.Evidence.FETCHED


@pytest.fixture
def equipped(db):
    """A telephone of a maker with all that it is told, and its terminal."""

    def of(maker, world):
        kind, mac, form, options = MAKERS[maker]
        type_ = TerminalType.objects.create(name=f"A {maker}", method=maker, wants="root", trust_format=form)
        terminal = Terminal.objects.create(number="100", type=type_, mac=mac, address=ADDRESS)
        return at_the_handlers(kind, Listeners(world), mac, **options), terminal

    return of


@pytest.fixture
def said(viewer_client):
    """What the page says of the certificates that it holds; "" where it says nothing."""
    viewer_client.cookies["django_language"] = "en"

    def of(terminal):
        with translation.override("en"):
            page = viewer_client.get(f"/terminals/{terminal.pk}/").content.decode()
        found = re.search(r"Certificates that it holds by what it has fetched</dt>(.*?)</dd>", page, re.DOTALL)
        return " ".join(strip_tags(found[1]).split()) if found else ""

    return of


def of_number(number, evidence=FETCHED):
    return Installation(generation_id=number, evidence=evidence)


def test_a_grandstream_that_has_fetched_nothing_is_said_to_hold_nothing(world, equipped, said):
    _phone, terminal = equipped("grandstream", world)

    assert said(terminal) == ""


def test_a_grandstreams_page_names_what_it_holds_and_the_place_that_comes_next(world, equipped, said):
    phone, terminal = equipped("grandstream", world)
    phone.polls()
    assert said(terminal) == "Generation 1. Of its 6 places 5 hold none of ours. The next one comes to place 2."

    follows(world)
    assert said(terminal) == "Generation 1. Of its 6 places 5 hold none of ours. The next one comes to place 2."

    phone.polls()
    assert said(terminal) == "Generations 1, 2. Of its 6 places 4 hold none of ours. The next one comes to place 3."


def test_when_all_places_are_used_it_is_said_which_generation_gives_way(world, equipped, said):
    phone, terminal = equipped("grandstream", world)
    phone.polls()
    for _ in range(6):
        follows(world)
        phone.polls()
        world.activate()
    number_of = {one.root: one.number for one in Generation.objects.made()}

    assert [number_of[from_pem(place)[0]] for place in phone.slots] == [7, 2, 3, 4, 5, 6]
    assert said(terminal) == (
        "Generations 2, 3, 4, 5, 6, 7. Of its 6 places 0 hold none of ours."
        " The next one comes to place 2, where that of generation 2 is now."
    )
    follows(world)
    phone.polls()
    assert "Generations 3, 4, 5, 6, 7, 8." in said(terminal)


def test_switches_that_failed_take_no_place_on_its_page_either(world, equipped, said):
    phone, terminal = equipped("grandstream", world)
    phone.polls()
    for _attempt in range(5):
        follows(world)
        world.refuse_to_reload()
        assert world.activate().outcome == "went_back"
        world.reload_again()
    follows(world)
    assert said(terminal) == "Generation 1. Of its 6 places 5 hold none of ours. The next one comes to place 2."

    phone.polls()
    assert said(terminal) == "Generations 1, 7. Of its 6 places 4 hold none of ours. The next one comes to place 3."


def test_a_snoms_page_names_what_it_holds_and_that_no_limit_is_known(world, equipped, said):
    phone, terminal = equipped("snom", world)
    follows(world)
    phone.polls()

    assert said(terminal).startswith(
        "Generations 1, 2. The next one is added to them. How many it can hold is not documented"
    )


def test_what_a_person_says_or_somebody_fetched_is_nothing_that_it_has_fetched(world):
    story = [of_number(1, Installation.Evidence.PERSON), of_number(2, Installation.Evidence.UNPROVED)]

    assert held_at_once(drivers()["grandstream"], story, 1) is None
    assert held_at_once(drivers()["grandstream"], [*story, of_number(1)], 1).numbers == [1]


def test_the_place_of_a_withdrawn_pair_is_empty_when_the_next_one_has_come(world):
    follows(world)
    world.activate()
    Generation.objects.filter(pk=1).update(withdrawn_at=world.now)

    before = held_at_once(drivers()["grandstream"], [of_number(1)], 2)
    after = held_at_once(drivers()["grandstream"], [of_number(2), of_number(1)], 2)

    assert (before.numbers, before.next_place) == ([1], 2)
    assert (after.numbers, after.left, after.next_place) == ([2], 5, 3)


@pytest.mark.parametrize("method", ["yealink", "mitel_sip", "ip_system", "sip_standard"])
def test_of_telephones_that_are_not_told_all_at_once_it_says_nothing(world, method):
    assert held_at_once(drivers()[method], [of_number(1)], 1) is None
