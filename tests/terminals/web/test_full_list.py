"""A Yealink whose list of ten certificates is full: it is told no eleventh, and none is taken for held (rule full-list)."""

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from terminals.evidence import fetches
from terminals.evidence.facts import FetchedTrust
from terminals.evidence.models import Requester
from terminals.evidence.requesters import remembered
from terminals.models import Installation, Terminal, TerminalType
from terminals.rollout import preflight
from tests.support.asking import Listeners
from tests.support.generations import DAY
from tests.support.makers.at_handlers import ADDRESS, at_the_handlers
from tests.support.makers.certificates import from_pem
from tests.terminals.web.test_makers import MAKERS, confirmed, follows

pytestmark = pytest.mark.simulation


FULL = "It holds 10 certificates, as many as it can, and would refuse the next one, so it is not told it"
OTHERS = list(range(101, 111))
"""As many as it can hold, of generations that nothing serves."""


@pytest.fixture
def terminal(db):
    kind = TerminalType.objects.create(name="A Yealink", method="yealink", wants="root", manufacturer="Yealink")
    return Terminal.objects.create(number="100", type=kind, mac="001565AABBCC", address=ADDRESS)


@pytest.fixture
def listeners(world):
    return Listeners(world)


@pytest.fixture
def phone(listeners, terminal):
    kind, mac, _form, options = MAKERS["yealink"]
    return at_the_handlers(kind, listeners, mac, **options)


@pytest.fixture
def page(viewer_client, terminal):
    viewer_client.cookies["django_language"] = "en"

    def said():
        with translation.override("en"):
            return " ".join(strip_tags(viewer_client.get(f"/terminals/{terminal.pk}/").content.decode()).split())

    return said


def a_stranger(listeners, phone):
    """With the MAC of the telephone, from elsewhere."""
    stranger = at_the_handlers(MAKERS["yealink"][0], listeners, phone.mac)
    stranger.address = "198.51.100.7"
    return stranger


def is_doubted(world):
    return any(doubt.about == "room" and doubt.serious for doubt in preflight.doubts_of(world.situation))


def full(world, phone):
    """It holds the served one and nine others; the next pair is prepared."""
    phone.polls()
    Requester.objects.update(holds=[*OTHERS[:9], 1])
    assert follows(world) == 2


@pytest.mark.long
def test_through_eleven_generations_no_call_is_lost_and_nothing_is_taken_for_held(
    world, phone, terminal, page, operator_client
):
    phone.polls()
    for number in range(2, 11):
        assert not is_doubted(world)
        assert follows(world) == number
        phone.polls(2)
        assert {number - 1, number} <= confirmed(terminal)
        world.activate()
        left = 10 - number
        assert (f"Full after {left} more renewal" in page()) == (left > 0)
    assert is_doubted(world), "before the eleventh is made it is said"

    assert follows(world) == 11
    Installation.objects.get_or_create(terminal=terminal, generation_id=11)
    phone.polls(3)
    assert phone.refused == []
    assert len(phone.own) == 10
    assert confirmed(terminal) == set(range(1, 11))
    assert phone.trusts(world.active.host_pem), "its calls go on"
    assert FULL in page()

    # A person deletes at the telephone those that are no longer served.
    phone.own = from_pem(world.active.root_pem)
    operator_client.post(f"/terminals/{terminal.pk}/take-again/", {"kept": "served"})
    phone.polls(2)

    assert 11 in confirmed(terminal)
    assert not is_doubted(world)
    world.activate()
    assert phone.trusts(world.active.host_pem)
    assert phone.refused == []


def test_one_that_is_full_is_told_no_further_one_and_its_page_says_so(world, phone, terminal, page):
    full(world, phone)
    Installation.objects.get_or_create(terminal=terminal, generation_id=2)
    phone.polls(3)

    assert confirmed(terminal) == {1}
    assert len(phone.own) == 1
    assert FULL in page()
    assert Requester.objects.get().named_times == 0, "it leaves nothing that it is told"


def test_with_room_for_one_more_it_is_told_it(world, phone, terminal, page):
    full(world, phone)
    Requester.objects.update(holds=[*OTHERS[:8], 1])
    phone.polls()

    assert confirmed(terminal) == {1, 2}
    # For the one after that there is no room, and that is said where those that it holds are.
    missing, held = page().split("Certificates taken one by one")
    assert (FULL in missing, FULL in held) == (False, True)


def test_what_it_fetches_all_the_same_confirms_nothing_now_or_later(world, phone, terminal, listeners):
    full(world, phone)
    stranger = a_stranger(listeners, phone)
    stranger.polls(2)
    url = next(asked.url for asked in stranger.asked if "/2." in asked.url)

    assert phone.fetch(url) is not None

    assert confirmed(terminal) == {1}
    assert 2 not in Requester.objects.get(source=ADDRESS).took
    fetches.accept(terminal.pk, ADDRESS, by="otto")
    assert confirmed(terminal) == {1}


def test_one_that_was_reset_has_room_again(world, phone, terminal):
    full(world, phone)
    phone.forget()
    phone.polls(3)

    assert confirmed(terminal) == {1, 2}
    assert Requester.objects.get().holds == [1, 2]


def test_one_that_is_full_of_others_alone_gets_an_answer_and_confirms_nothing(world, phone, terminal):
    phone.polls()
    Installation.objects.all().delete()
    Requester.objects.update(holds=OTHERS)
    phone.forget()
    phone.polls(2)

    assert phone.refused == []
    assert confirmed(terminal) == set()


def test_when_a_person_has_made_room_it_is_told_the_next_under_a_name_that_it_does_not_know(
    world, phone, terminal, operator_client
):
    full(world, phone)
    phone.polls()
    operator_client.post(f"/terminals/{terminal.pk}/take-again/", {"kept": "served"})
    assert Requester.objects.get().holds == [1]

    phone.polls()

    assert confirmed(terminal) == {1, 2}


# -- another address ----------------------------------------------------------------------------------------------------


@pytest.fixture
def moved(phone, terminal):
    """DHCP gives it another address, which proves it as well."""

    def to(address):
        Terminal.objects.update(address=address)
        phone.address = address

    return to


def test_a_telephone_that_moves_goes_on_where_it_was(world, phone, terminal, moved):
    """It has the served one already, and fetches nothing again that has the name that it knows."""
    phone.polls()
    moved("192.0.2.5")
    follows(world)
    phone.polls(5)

    assert confirmed(terminal) == {1, 2}
    assert len(phone.own) == 2
    assert Requester.objects.get(source="192.0.2.5").holds == [1, 2]


def test_a_telephone_that_moves_back_goes_on_too(world, phone, terminal, moved):
    phone.polls()
    moved("192.0.2.5")
    follows(world)
    phone.polls(5)
    world.activate()
    moved(ADDRESS)
    follows(world)
    phone.polls(6)

    assert confirmed(terminal) == {1, 2, 3}


def test_one_that_lost_all_when_it_moved_gets_the_served_one_first(world, phone, terminal, moved):
    phone.polls()
    follows(world)
    phone.polls()
    moved("192.0.2.5")
    phone.forget()
    phone.polls(2)

    assert len(phone.own) == 2
    assert confirmed(terminal) == {1, 2}


def test_what_it_takes_again_at_another_address_leaves_the_older_ones_in_their_room(world):
    there = Requester(source="there", last_at=world.now, held_at=world.now, held_proved=True, holds=[*range(3, 13)])
    known = {1: {"there": there}}

    def takes(number, at):
        fact = FetchedTrust(1, frozenset({number}), "", "", "192.0.2.5", at)
        return remembered([fact], known, in_turn={1: 10}, is_own=lambda one: True).refused

    assert takes(13, world.now + DAY), "there is no room"
    assert not takes(11, world.now + 2 * DAY)
    assert known[1]["192.0.2.5"].holds == [*range(3, 11), 11]
    assert not takes(12, world.now + 3 * DAY)
    assert takes(13, world.now + 4 * DAY)
    assert known[1]["192.0.2.5"].took == [12, 11]


def test_one_that_moves_when_it_is_full_stays_full(world, phone, terminal, moved):
    full(world, phone)
    moved("192.0.2.5")
    phone.polls(6)

    assert confirmed(terminal) == {1}
    assert len(Requester.objects.get(source="192.0.2.5").holds) == 10


def test_a_telephone_does_not_go_on_where_a_stranger_was(world, phone, terminal, listeners):
    phone.polls()
    follows(world)
    Requester.objects.all().delete()
    stranger = a_stranger(listeners, phone)
    stranger.polls(3)
    Installation.objects.all().delete()
    phone.forget()
    phone.polls(2)

    assert confirmed(terminal) == {1, 2}
