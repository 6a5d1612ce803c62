"""Trust anchors that come one by one, at the listeners' own handlers (rule anchors-in-turn)."""

import re

import pytest
from django.utils import translation

from pbxcerts.system.time import timekeeping
from terminals.directory import changes
from terminals.evidence.models import Requester
from terminals.models import Installation, Terminal, TerminalType
from tests.support.asking import Listeners
from tests.support.generations import DAY, MINUTE

pytestmark = pytest.mark.simulation


MAC = "001565AABBCC"
OWN_FILE = "/001565aabbcc.cfg"
AGENT = "Yealink SIP-T46S 66.86.0.15 00:15:65:aa:bb:cc"


@pytest.fixture
def kind(db):
    return TerminalType.objects.create(name="Yealink T46S", method="yealink", wants="root")


@pytest.fixture
def terminal(kind):
    return Terminal.objects.create(number="100", type=kind, mac=MAC, address="192.0.2.99")


@pytest.fixture
def phone(world, terminal):
    return Phone(Listeners(world))


class Phone:
    """It fetches what its file names, if that has another name than what it fetched last, and adds it to what it holds."""

    def __init__(self, listeners, address="192.0.2.99", path=OWN_FILE):
        self.listeners, self.address, self.path = listeners, address, path
        self.last, self.fetched = "", []

    def named(self):
        file = self.listeners.get(self.path, AGENT, self.address).body.decode()
        return re.search(r"^static.trusted_certificates.url = https://[^/]+(/.*)$", file, re.MULTILINE)[1]

    def asks(self, times=1):
        """It asks once a day."""
        for _time in range(times):
            self.listeners.world.after(DAY)
            url = self.named()
            if url != self.last:
                self.takes(url)
        return self.fetched

    def takes(self, url):
        answer = self.listeners.get(url, AGENT, self.address)
        assert answer.status == 200
        assert answer.body.count(b"BEGIN CERTIFICATE") == 1
        self.last = url
        self.fetched.append(int(url.split("/")[2].partition(".")[0]))

    def resets(self):
        self.last = ""
        self.fetched.clear()


def confirmed(terminal):
    return set(Installation.objects.filter(terminal=terminal).trusted().values_list("generation", flat=True))


def next_generation(world):
    world.after(DAY)
    return world.generate().number


def test_the_served_one_comes_first_then_the_prepared_one_and_each_confirms_itself_alone(world, phone, terminal):
    assert next_generation(world) == 2

    assert phone.asks() == [1]
    assert confirmed(terminal) == {1}
    assert phone.asks() == [1, 2]
    assert confirmed(terminal) == {1, 2}


def test_what_it_took_last_goes_on_being_named(world, phone):
    next_generation(world)

    assert phone.asks(5) == [1, 2]


def test_three_generations_in_a_row_are_taken_once_each(world, phone):
    for number in (2, 3, 4):
        assert next_generation(world) == number
        phone.asks(2)
        world.activate()

    assert phone.asks(3) == [1, 2, 3, 4]


def test_one_that_slept_through_a_generation_gets_the_served_one_and_the_next(world, phone, terminal):
    phone.asks()
    next_generation(world)
    world.activate()
    next_generation(world)

    assert phone.asks(3) == [1, 2, 3]
    assert confirmed(terminal) == {1, 2, 3}


def test_one_that_was_reset_and_fetches_again_what_it_had_begins_anew(world, phone):
    next_generation(world)
    phone.asks(2)

    phone.resets()

    assert phone.asks(5) == [2, 1]


def test_one_that_was_replaced_begins_anew(world, phone, terminal, monkeypatch):
    next_generation(world)
    phone.asks(2)

    monkeypatch.setattr(timekeeping, "machine_time", lambda: world.now)
    changes.forget([terminal.pk])
    phone.resets()

    assert phone.asks(3) == [1, 2]


def test_after_a_roll_back_it_goes_on_being_told_what_it_has(world, phone):
    next_generation(world)
    phone.asks(2)
    world.activate()
    world.roll_back()

    assert phone.asks(3) == [1, 2]


def test_what_a_stranger_takes_in_its_name_changes_nothing_for_it(world, phone, terminal):
    next_generation(world)
    stranger = Phone(phone.listeners, "198.51.100.7")

    assert stranger.asks(2) == [1, 2]
    assert confirmed(terminal) == set()
    assert phone.asks(2) == [1, 2]


def test_a_fetch_that_is_written_down_twice_is_one(world, phone):
    next_generation(world)
    phone.listeners.again = True

    assert phone.asks(4) == [1, 2]


def test_a_fetch_that_is_begun_twice_within_a_minute_is_one(world, phone):
    next_generation(world)
    phone.asks(2)
    world.after(MINUTE / 2)

    phone.takes(phone.last)

    assert phone.named() == phone.last


def test_its_secret_path_proves_the_fetch_wherever_it_comes_from(world, phone, terminal):
    own = Phone(phone.listeners, "198.51.100.8", f"/{terminal.path_secret}{OWN_FILE}")

    assert own.asks() == [1]
    assert Installation.objects.get(terminal=terminal).proof == "path"


def test_a_telephone_that_puts_no_mac_in_says_by_its_user_agent_who_it_is(world, phone):
    assert phone.listeners.get("/$MAC.cfg", AGENT).body == phone.listeners.get(f"/{MAC}.cfg", AGENT).body
    assert phone.listeners.get("/$MAC.cfg", "curl/8").status == 404


def test_the_certificate_comes_in_der_where_the_type_says_so_also_an_older_one(world, phone, kind):
    TerminalType.objects.filter(pk=kind.pk).update(trust_format="der")
    url = phone.named()
    next_generation(world)

    for _look in range(2):
        answer = phone.listeners.get(url, AGENT)
        assert (answer.status, answer.body[:1]) == (200, b"\x30")
        TerminalType.objects.filter(pk=kind.pk).update(trust_format="pem")


def test_a_listener_reads_only_what_was_taken_since_it_looked(world, phone, django_assert_num_queries):
    phone.asks()
    before = phone.listeners.snapshots.current.taken_in_turn
    phone.listeners.look()
    known = phone.listeners.snapshots.current.taken_in_turn
    assert known.by == {(Terminal.objects.get().pk, "192.0.2.99"): (1,)}
    assert known.change > before.change

    phone.listeners.look()

    assert phone.listeners.snapshots.current.taken_in_turn is known


def test_of_mitel_phones_nothing_is_remembered_in_turn(world):
    mitel = TerminalType.objects.filter(method="mitel_sip").first()
    Terminal.objects.create(number="7", type=mitel, mac="00085D000001")
    listeners = Listeners(world)
    file = listeners.get("/00085D000001.cfg").body.decode()
    url = re.search(r"https user certificates: https://[^/]+(/.*)$", file, re.MULTILINE)[1]

    assert listeners.get(url).status == 200

    assert Requester.objects.get().took == [1]
    assert (Requester.objects.get().holds, Requester.objects.get().change) == ([], 0)


def test_its_page_says_what_it_has_taken_and_when_it_is_full(world, phone, terminal, viewer_client):
    def page():
        with translation.override("en"):
            return " ".join(viewer_client.get(f"/terminals/{terminal.pk}/").content.decode().split())

    viewer_client.cookies["django_language"] = "en"
    assert "it can hold 10" not in page()
    next_generation(world)
    phone.asks(2)

    assert "Generations 1, 2; it can hold 10. Full after 8 more renewals." in page()

    Requester.objects.update(holds=list(range(1, 11)))
    assert "would refuse the next one, so it is not told it" in page()


def test_a_person_says_that_it_has_lost_them_and_it_is_told_all_again(world, phone, terminal, operator_client):
    next_generation(world)
    phone.asks(2)

    operator_client.post(f"/terminals/{terminal.pk}/take-again/")

    phone.last = ""
    assert phone.asks(3) == [1, 2, 1, 2]
    assert confirmed(terminal) == {1, 2}


def test_who_only_looks_may_not_say_so(world, phone, terminal, viewer_client):
    phone.asks()

    assert viewer_client.post(f"/terminals/{terminal.pk}/take-again/").status_code == 403
    assert Requester.objects.get().holds == [1]
