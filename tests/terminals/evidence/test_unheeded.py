"""A site's own line that overrules ours is seen by what a telephone never fetches (rule unheeded)."""

from urllib.parse import urlsplit

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from terminals.evidence.models import Requester
from terminals.evidence.requesters import known_requesters
from terminals.evidence.unheeded import unheeded
from terminals.models import Installation, Terminal, TerminalType
from tests.support.asking import HOST, Listeners
from tests.support.generations import DAY, MINUTE
from tests.support.makers.at_handlers import ADDRESS, at_the_handlers
from tests.terminals.web.test_makers import MAKERS, follows

pytestmark = pytest.mark.simulation


OVERRULED = "a later line of your own configuration names another one (delete that line)"


def overruled(phone, *, secret=""):
    """The site's own boot file includes ours, and then a file with a certificate of the site's: the later line wins. Returns its files."""
    ours = f"https://{HOST}/{f'{secret}/' if secret else ''}{phone.mac}.cfg"
    boot = f'#!version:1.0.0.1\ninclude:config "{ours}"\ninclude:config "https://site.example/late.cfg"\n'
    late = "#!version:1.0.0.1\nstatic.trusted_certificates.url = https://site.example/root.pem\n"
    files, ask = {f"/{phone.mac}.boot": boot.encode(), "/late.cfg": late.encode()}, phone._get

    def get(url, checks):
        path = urlsplit(url).path
        return (200, "", files[path]) if path in files else ask(url, checks)

    phone._get = get
    return files


@pytest.fixture
def terminal(db):
    kind = TerminalType.objects.create(name="A Yealink", method="yealink", wants="root")
    return Terminal.objects.create(number="100", type=kind, mac="001565AABBCC", address=ADDRESS)


@pytest.fixture
def phone(world, terminal):
    kind, mac, _form, options = MAKERS["yealink"]
    return at_the_handlers(kind, Listeners(world), mac, **options)


@pytest.fixture
def said(viewer_client):
    """Why it has not got the pair, as its page and the list say it."""
    viewer_client.cookies["django_language"] = "en"

    def of(terminal):
        with translation.override("en"):
            page, rows = (
                " ".join(strip_tags(viewer_client.get(path).content.decode()).split())
                for path in (f"/terminals/{terminal.pk}/", "/terminals/")
            )
        assert (OVERRULED in page) == (OVERRULED in rows)
        return OVERRULED in page

    return of


def waits(terminal, number=1):
    Installation.objects.get_or_create(terminal=terminal, generation_id=number)


def test_a_line_of_the_site_that_overrules_ours_is_said_after_three_times(world, phone, terminal, said):
    overruled(phone)
    waits(terminal)
    phone.polls(2)
    assert not said(terminal)

    phone.polls()

    assert said(terminal)
    assert unheeded(known_requesters([terminal.pk]))[terminal.pk].times == 3
    assert phone.own == []
    assert not Installation.objects.trusted().exists()
    assert Requester.objects.get().took == []


def test_when_the_line_is_gone_it_takes_ours_and_nothing_more_is_said(world, phone, terminal, said):
    own = overruled(phone)
    waits(terminal)
    phone.polls(4)
    assert said(terminal)

    own["/late.cfg"] = b"#!version:1.0.0.1\naccount.1.label = 201\n"
    phone.digests.clear()
    phone.polls()

    assert not said(terminal)
    assert Installation.objects.get().evidence == "fetched"


def test_who_asks_in_its_name_from_elsewhere_makes_nothing_be_said(world, phone, terminal, said):
    waits(terminal)
    Terminal.objects.update(address="192.0.2.1")
    overruled(phone)
    phone.polls(5)

    assert not said(terminal)
    assert Requester.objects.get().named_times == 0


def test_under_its_secret_path_it_is_the_telephone_wherever_it_asks(world, phone, terminal, said):
    waits(terminal)
    Terminal.objects.update(address="192.0.2.1")
    overruled(phone, secret=terminal.path_secret)
    phone.polls(3)

    assert said(terminal)


def test_what_it_asks_again_within_a_moment_is_not_counted(world, phone, terminal):
    overruled(phone)
    for _restart in range(10):
        phone.poll()
    world.after(30 * MINUTE)
    phone.poll()
    phone.poll()

    assert Requester.objects.get().named_times == 2
    assert not unheeded(known_requesters([terminal.pk]))


def test_three_times_within_its_time_for_an_answer_are_too_soon_to_say(world, phone, terminal):
    overruled(phone)
    for _time in range(4):
        world.after(10 * MINUTE)
        phone.poll()
    assert not unheeded(known_requesters([terminal.pk]))

    world.after(20 * MINUTE)
    phone.poll()

    assert unheeded(known_requesters([terminal.pk]))


def test_a_new_pair_is_counted_from_its_first_time(world, phone, terminal, said):
    phone.polls()
    assert Requester.objects.get().took == [1]
    follows(world)
    waits(terminal, 2)
    overruled(phone)
    phone.polls(2)
    assert not said(terminal)

    phone.polls()

    assert said(terminal)


def test_one_that_has_it_and_goes_on_asking_is_left_alone(world, phone, terminal):
    phone.polls(6)

    assert Requester.objects.get().named_times == 0
    assert not unheeded(known_requesters([terminal.pk]))


def test_one_that_has_it_from_another_address_is_left_alone(world):
    now = world.now
    here = Requester(terminal_id=1, last_at=now, named=[1, 2], named_since=now - 3 * DAY, named_times=4, took=[])
    there = Requester(terminal_id=1, last_at=now - 9 * DAY, took=[1])
    assert unheeded({1: {"here": here, "there": there}})[1].times == 4

    there.took = [2, 1]

    assert not unheeded({1: {"here": here, "there": there}})


@pytest.mark.parametrize("maker", ["snom", "grandstream"])
def test_a_telephone_that_takes_all_at_once_is_never_said_to_leave_it(world, db, maker):
    kind, mac, form, options = MAKERS[maker]
    type_ = TerminalType.objects.create(name=f"A {maker}", method=maker, wants="root", trust_format=form)
    terminal = Terminal.objects.create(number="100", type=type_, mac=mac, address=ADDRESS)
    follows(world)
    at_the_handlers(kind, Listeners(world), mac, **options).polls(5)

    assert not unheeded(known_requesters([terminal.pk]))


def test_a_clock_that_went_back_begins_to_count_anew(world, phone, terminal):
    overruled(phone)
    phone.polls(4)
    world.at(world.now - 1000 * MINUTE * 24)
    phone.polls(1)

    assert Requester.objects.get().named_times == 1
