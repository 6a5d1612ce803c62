"""The page of a terminal says how far it is shown that calls go on: fetched, shown that it trusts, checks at all."""

import re
from datetime import timedelta

import pytest
from django.utils.html import strip_tags

from terminals.directory.ladder import ladder
from terminals.drivers.registry import drivers
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust, Proved, Reported
from terminals.models import DeliverySettings, Installation, TerminalType
from tests.support.generations import MINUTE

NOTHING_SHOWS = "not yet. Nothing shows it yet: a call or a registration over TLS after the switch would."


@pytest.fixture
def rungs(viewer_client):
    """The steps as they stand on the page of a terminal, each in one line, with its sign before it."""

    def of(phone):
        page = viewer_client.get(f"/terminals/{phone.terminal.pk}/").content.decode()
        found = re.search(r'<ol class="ladder">(.*?)</ol>', page, re.DOTALL)
        if found is None:
            return []
        lines = re.findall(r'<li>.*?symbol-(\w+)"(.*?)</li>', found[1], re.DOTALL)
        return [
            (sign, " ".join(strip_tags(text.partition("</svg>")[2]).replace("\xa0", " ").split()))
            for sign, text in lines
        ]

    return of


def test_one_of_which_nothing_is_known_has_shown_nothing(fleet, rungs):
    [phone] = fleet.add()

    fetched, trusts, checks = rungs(phone)

    assert fetched == ("info", "Has fetched it: not yet. Nothing shows it yet.")
    assert trusts == ("info", f"Has shown that it trusts it: {NOTHING_SHOWS}")
    assert checks[1].startswith(
        "Checks certificates at all: as it is set. Over HTTPS it checks certificate, name and dates"
    )


def test_a_proved_fetch_shows_that_it_has_it_and_not_that_it_trusts_it(fleet, rungs):
    [phone] = fleet.equipped()

    fetched, trusts, _checks = rungs(phone)

    assert fetched[0] == "ok"
    assert re.fullmatch(
        r"Has fetched it: yes\. It did so on .*2026.*\."
        r" What shows that it was this terminal: from a network of the telephones\.",
        fetched[1],
    )
    assert trusts == ("info", f"Has shown that it trusts it: {NOTHING_SHOWS}")


def test_a_fetch_by_nobody_knows_whom_is_called_unproved(fleet, rungs):
    DeliverySettings.objects.update(telephone_networks=[])
    [phone] = fleet.add()
    fetch = FetchedTrust(phone.terminal.pk, frozenset({1}), "1.0.pem", "Mitel", "10.1.2.3", fleet.world.now)
    recording.write_facts([fetch])

    fetched, trusts, _checks = rungs(phone)

    assert fetched[0] == "serious"
    assert "Has fetched it: unproved. On" in fetched[1]
    assert "somebody fetched it from 10.1.2.3. Nothing shows that it was this terminal." in fetched[1]
    assert trusts[0] == "info"


def test_what_may_be_taken_back_says_until_when_and_after_that_no_longer(fleet):
    [phone] = fleet.equipped()
    row, now = Installation.objects.get(), fleet.world.now
    row.doubt_until = now + timedelta(minutes=45)

    before, after = (ladder(phone.terminal.type.driver, row, at)[0] for at in (now, row.doubt_until))

    assert "until then another address would take it back" in before.said
    assert "another address" not in after.said


def test_a_connection_of_after_the_switch_shows_that_it_trusts_it_if_it_checks(fleet, rungs):
    [phone] = fleet.equipped()
    now = fleet.world.now
    Installation.objects.update(registered_at=now, registered_since=now - timedelta(days=1))

    fetched, trusts, _checks = rungs(phone)

    assert fetched[0] == trusts[0] == "ok"
    assert trusts[1] == (
        "Has shown that it trusts it: yes, if it checks. On 1 Jul 2026, 02:00 it was registered at the communication server over TLS,"
        " since 30 Jun 2026, 02:00: after the switch. Whoever checks certificates has accepted this one."
    )


def test_one_that_always_checks_has_shown_it_without_an_if(fleet):
    [phone] = fleet.add(of=fleet.type("An agent", "ip_system"))
    row = Installation(registered_at=fleet.world.now, registered_since=fleet.world.now)

    assert ladder(phone.terminal.type.driver, row, fleet.world.now)[1].word == "yes"


def test_one_that_is_connected_for_longer_has_not_shown_it_yet(fleet, rungs):
    [phone] = fleet.equipped()
    Installation.objects.update(registered_at=fleet.world.now)

    sign, said = rungs(phone)[1]

    assert sign == "info"
    assert "it is connected since before the switch, or not over TLS: not proved yet." in said


def test_what_it_no_longer_trusts_no_connection_of_before_shows(fleet, rungs):
    [phone] = fleet.equipped()
    Installation.objects.update(registered_at=fleet.world.now, registered_since=fleet.world.now)
    Installation.objects.all().take_back()

    assert NOTHING_SHOWS in rungs(phone)[1][1]


def test_an_ip_system_phone_shows_it_by_its_connection_and_not_by_its_report(fleet, rungs):
    kind = fleet.type("An agent", "ip_system")
    [phone] = fleet.add(of=kind)
    root, now = fleet.world.active.root_sha256, fleet.world.now
    recording.write_facts([Reported(phone.terminal.pk, frozenset({root}), "pbxcerts-agent", "192.0.2.7", now)])

    fetched, trusts, checks = rungs(phone)

    assert fetched[0] == "ok"
    assert "By its own report" in fetched[1]
    assert trusts == (
        "info",
        "Has shown that it trusts it: not yet. It says so; its connection to the proof listener is still to come.",
    )
    assert checks[0] == "ok"
    assert "takes any certificate" not in checks[1]

    recording.write_facts([Proved(phone.terminal.pk, 1, "pbxcerts-agent", "192.0.2.7", now + MINUTE)])

    trusts = rungs(phone)[1]
    assert trusts[0] == "ok"
    assert "Has shown that it trusts it: yes. On" in trusts[1]
    assert "it connected over TLS to the proof listener" in trusts[1]


def test_a_persons_word_is_called_that(fleet, rungs):
    [phone] = fleet.add(of=fleet.type("By hand", "sip_standard"))
    fleet.beat()
    recording.confirmed_by_person([phone.terminal.pk], [1], by="anna", at=fleet.world.now)

    fetched, trusts, checks = rungs(phone)

    for rung in (fetched, trusts):
        assert rung[0] == "user"
        assert ": a person's word. anna confirmed on" in rung[1].replace("&#x27;", "'")
        assert rung[1].endswith("that it is installed. No connection shows it.")
    assert "Checks certificates at all: not known." in checks[1]


def test_an_opened_link_is_no_installation(fleet, rungs):
    [phone] = fleet.add(of=fleet.type("By hand", "sip_standard"))
    fleet.beat()
    recording.downloaded(phone.terminal.pk, [1], at=fleet.world.now)

    fetched, trusts, _checks = rungs(phone)

    assert fetched[0] == "info"
    assert "not yet. Its personal link was opened on" in fetched[1]
    assert NOTHING_SHOWS in trusts[1]


@pytest.mark.parametrize("driver", drivers().values(), ids=lambda driver: driver.name)
def test_where_it_may_check_nothing_it_is_said_what_follows(driver, fleet):
    checks = ladder(driver, None, fleet.world.now)[2]

    assert ("A telephone that checks nothing takes any certificate" in checks.said) != driver.checks.always
    assert (checks.symbol == "ok") == driver.checks.always


def test_that_it_checks_by_the_sites_own_configuration_is_a_persons_word(fleet, rungs):
    [phone] = fleet.equipped()
    assert "as it is set" in rungs(phone)[2][1]

    TerminalType.objects.update(checks_by_itself=True)

    sign, said = rungs(phone)[2]
    assert sign == "user"
    assert "your own configuration lets it check. pbxcerts can&#x27;t see that." in said


def test_while_nothing_is_handed_out_there_is_nothing_to_show(fleet, rungs):
    [phone] = fleet.equipped()
    assert len(rungs(phone)) == 3

    fleet.world.active.__class__.objects.filter(pk=1).update(withdrawn_at=fleet.world.now)

    assert rungs(phone) == []
