"""What the pages say of the check of certificates, and who may order what (rule checking)."""

from dataclasses import replace

import pytest
from django.contrib.messages import get_messages
from django.utils import translation

from terminals.checking.models import Checking
from terminals.directory.ladder import ladder
from terminals.drivers.registry import drivers
from terminals.models import Installation, TerminalType
from tests.support.generations import DAY, MINUTE
from tests.terminals.checking.conftest import the_form

pytestmark = pytest.mark.simulation


TYPES = "/terminals/types/"


@pytest.fixture
def lost(yealinks):
    """Of two telephones one has read it and does not come back."""
    phones = [yealinks.add(), yealinks.add()]
    yealinks.night()
    yealinks.beats(yealinks.world.now + 2 * DAY + 46 * MINUTE)
    row = Checking.objects.get()
    assert row.why == "not_back"
    return yealinks.phones[row.pk], next(one for one in phones if one.row.pk != row.pk)


def told_by(response):
    """What the next page says of an order."""
    return [str(one) for one in get_messages(response.wsgi_request)]


def test_the_switch_stands_in_the_form_only_where_its_driver_can(by, yealinks, fleet):
    mitel = fleet.type()
    switch = 'name="turns_checking_on"'

    assert switch in by("administrator").get(f"{TYPES}{yealinks.type.pk}/edit/").content.decode()
    assert switch not in by("administrator").get(f"{TYPES}{mitel.pk}/edit/").content.decode()
    assert switch not in by("administrator").get(f"{TYPES}add/").content.decode()


def test_an_administrator_turns_it_on_and_an_operator_may_not(by, yealinks):
    TerminalType.objects.update(turns_checking_on=False)
    path = f"{TYPES}{yealinks.type.pk}/edit/"
    sent = the_form(yealinks.type) | {"turns_checking_on": "on"}

    assert by("operator").post(path, sent).status_code == 403
    assert not TerminalType.objects.get(pk=yealinks.type.pk).turns_checking_on
    assert by("administrator").post(path, sent).status_code == 302
    assert TerminalType.objects.get(pk=yealinks.type.pk).turns_checking_on


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"holds_only_one": "on"}, "loses its calls at each switch"),
        ({"wants": "host"}, "this type gets none"),
        ({"method": "mitel_sip"}, "With this delivery"),
        ({"checks_by_itself": "on"}, "two would contradict each other"),
    ],
)
def test_it_can_be_turned_on_only_where_a_telephone_holds_the_next_root_beside_the_served_one(
    by, yealinks, changed, said
):
    TerminalType.objects.update(turns_checking_on=False)
    sent = the_form(yealinks.type) | {"turns_checking_on": "on"} | changed

    answer = by("administrator").post(f"{TYPES}{yealinks.type.pk}/edit/", sent)

    assert said in answer.content.decode()
    assert not TerminalType.objects.get(pk=yealinks.type.pk).turns_checking_on


@pytest.mark.parametrize(("event", "taken"), [("resync", False), ("check-sync;reboot=true", True), ("", True)])
def test_where_what_it_takes_counts_from_a_restart_on_its_event_string_has_to_restart_it(by, site, event, taken):
    site = site("grandstream")
    TerminalType.objects.update(turns_checking_on=False)
    sent = the_form(site.type) | {"turns_checking_on": "on", "event": event}

    answer = by("administrator").post(f"{TYPES}{site.type.pk}/edit/", sent)

    assert TerminalType.objects.get(pk=site.type.pk).turns_checking_on is taken
    assert (b"does not restart it" in answer.content) is not taken


def test_the_page_of_the_type_counts_and_says_what_it_means(page, yealinks):
    first, _second = yealinks.add(), yealinks.add()
    path = f"{TYPES}{yealinks.type.pk}/"

    assert "under Delivery. Told 0 Read it, not back yet 0 Came back 0 Taken back 0" in page(path)
    assert "Not told yet 2" in page(path)
    assert "A telephone that checks and lacks the next certificate loses its calls at the switch" in page(path)
    yealinks.night()
    assert "Not told yet 1" in page(path)
    assert "Told 0 Read it, not back yet 1 Came back 0" in page(path)
    yealinks.poll_later(*yealinks.phones.values())
    assert "Told 0 Read it, not back yet 0 Came back 1" in page(path)
    assert first.takes_calls()


def test_a_type_that_says_nothing_of_it_has_nothing_of_it_on_its_page(page, yealinks):
    TerminalType.objects.update(turns_checking_on=False)
    yealinks.add()

    assert "Not told yet" not in page(f"{TYPES}{yealinks.type.pk}/")
    assert "by your own configuration" not in page(f"{TYPES}{yealinks.type.pk}/")
    TerminalType.objects.update(checks_by_itself=True)
    assert "Check of certificates by your own configuration" in page(f"{TYPES}{yealinks.type.pk}/")


def test_after_one_that_is_not_back_the_page_says_what_to_do_and_an_administrator_goes_on(page, by, lost, yealinks):
    phone, other = lost
    path = f"{TYPES}{yealinks.type.pk}/"
    assert (
        f"Nobody else is told, because these did not come back, or it was taken back from them: {phone.row.number}."
        in page(path)
    )

    buttons = [f"{path}go-on-checking/", f"{path}turn-checking-off/"]
    assert not any(one in by("operator").get(path).content.decode() for one in buttons)
    assert all(one in by("administrator").get(path).content.decode() for one in buttons)
    assert by("operator").post(f"{path}go-on-checking/").status_code == 403
    yealinks.night()
    assert yealinks.state(other) is None

    went_on = told_by(by("administrator").post(f"{path}go-on-checking/"))
    assert went_on == ["The next telephones of this type are told to check. Not told yet: 1."]
    assert "Nobody else is told" not in page(path)
    yealinks.night()
    assert yealinks.state(other) == "read"
    assert Checking.objects.get(terminal=phone.row).by == "anna"


def test_an_administrator_takes_it_back_from_all(page, by, yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    path = f"{TYPES}{yealinks.type.pk}/"

    assert by("operator").post(f"{path}turn-checking-off/").status_code == 403
    turned_off = told_by(by("administrator").post(f"{path}turn-checking-off/"))

    assert turned_off == ["The telephones of this type that were told to check are told to stop: 1."]
    assert "It is no longer turned on: the telephones that were told to check are told to stop." in page(path)
    yealinks.night()
    assert not phone.sip.chain


def test_an_operator_takes_it_back_from_one_and_has_it_told_again(by, yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    path = f"/terminals/{phone.row.pk}/checking/"

    assert by("viewer").post(path, {"order": "take-back"}).status_code == 403
    assert yealinks.state(phone) == "shown"
    assert by("operator").post(path, {"order": "something"}).status_code == 404
    by("operator").post(path, {"order": "take-back"})
    assert yealinks.state(phone) == "taken_back"
    assert Checking.objects.get().by == "otto"
    by("operator").post(path, {"order": "again"})
    assert yealinks.state(phone) is None


# -- the ladder of one telephone ---------------------------------------------------------------------------------------


def test_its_ladder_says_how_far_it_is(page, yealinks):
    phone = yealinks.add()
    path = f"/terminals/{phone.row.pk}/"
    assert "Checks certificates at all: as it is set." in page(path)

    yealinks.night()
    assert "Checks certificates at all: turned on. Turned on by pbxcerts: it read so on" in page(path)
    assert "If it does not come back until" in page(path)
    assert "Has shown that it trusts it: not yet." in page(path)

    yealinks.poll_later(phone)
    assert "Checks certificates at all: turned on. Turned on by pbxcerts: it read so on" in page(path)
    assert "That it does check since then is by its maker's documents alone" in page(path)
    assert "Has shown that it trusts it: yes, if it checks. It was told to check, and came back over TLS on" in page(
        path
    )
    assert "Newer firmware may ignore what it was told, and nothing would show that." in page(path)


@pytest.mark.parametrize(("maker", "word"), [("yealink", "yes, if it checks"), ("grandstream", "yes")])
def test_what_newer_firmware_may_ignore_shows_nothing_without_an_if(site, monkeypatch, maker, word):
    """The same telephones, told to check, come back, and connected since."""
    site = site(maker)
    phone = site.add()
    site.brought_back(phone)
    checking = Checking.objects.get()
    row = Installation.objects.select_related("generation").get(terminal=phone.row.pk)
    row.registered_at = row.registered_since = checking.read_at + MINUTE

    driver = drivers()[maker]

    with translation.override("en"):
        assert ladder(driver, row, row.registered_at, checking)[1].word == word
    sure = replace(driver.checks, switch=replace(driver.checks.switch, covers_files=True, may_be_ignored=False))
    monkeypatch.setattr(driver, "checks", sure)
    with translation.override("en"):
        assert ladder(driver, row, row.registered_at, checking)[1].word == "yes"


def test_what_is_not_served_yet_it_has_not_shown_to_trust(page, yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    yealinks.world.generate()
    yealinks.beat()
    yealinks.poll_later(phone)
    yealinks.poll_later(phone)

    assert "Has fetched it: yes." in page(f"/terminals/{phone.row.pk}/")
    assert "Has shown that it trusts it: not yet." in page(f"/terminals/{phone.row.pk}/")


def test_one_whose_check_is_of_calls_alone_has_shown_nothing_by_coming_for_its_files(page, site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    path = f"/terminals/{phone.row.pk}/"

    assert "The check does not cover them: that it can call, only a call shows." in page(path)
    assert "Has shown that it trusts it: not yet." in page(path)
    assert f"before a person says that this one can call over TLS: {phone.row.number}." in page(
        f"{TYPES}{site.type.pk}/"
    )


def test_one_that_was_told_and_is_connected_since_then_has_shown_it_without_an_if(page, site):
    """As Kamailio says it; the check of this one is of calls alone."""
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    read_at = Checking.objects.get().read_at
    path = f"/terminals/{phone.row.pk}/"

    for since, word in [(read_at - MINUTE, "yes, if it checks."), (read_at + MINUTE, "yes.")]:
        Installation.objects.update(registered_at=since, registered_since=since)
        assert f"Has shown that it trusts it: {word} On" in page(path)


def test_one_from_which_it_was_taken_back_says_why(page, lost):
    phone, _other = lost

    said = page(f"/terminals/{phone.row.pk}/")

    assert "Checks certificates at all: taken back." in said
    assert "it did not come back. It has not read so yet." in said
