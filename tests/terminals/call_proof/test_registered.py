"""What Kamailio says of each telephone after a switch, and what of it is written down (rules kamailio-asked, ladder)."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from certificates.call_proof import orders
from certificates.communication_server.kamailio import Kamailio
from certificates.models import Switch
from terminals.call_proof import registered
from terminals.call_proof.proving import prove_ordered
from terminals.directory import changes
from terminals.evidence import registrations
from terminals.models import Installation
from tests.support.generations import HOUR, MINUTE, utc
from tests.support.tls_server import script
from tests.terminals.call_proof.conftest import files

pytestmark = [pytest.mark.django_db, pytest.mark.simulation]

CONTACT = "AoR: {number}\nSocket: tls:127.0.0.1:5061\nTcpconn-Id: {key}\n"
CONNECTION = "{{\n\tid: {key}\n\ttimestamp: {since:%Y-%m-%d %H:%M:%S}\n}}\n"
ASK = """#!/bin/sh
case "$1" in
core.uptime) echo "now: {now:%a %b %d %H:%M:%S %Y}" ;;
ul.dump) cat {directory}/dump ;;
tls.list) cat {directory}/connections ;;
esac
"""


@pytest.fixture
def switched(world, fleet, pbx, tmp_path):
    """Two telephones, and a switch to generation 2 that was seen."""
    phones = fleet.equipped(2)
    alive = iter([lambda: None, lambda: pbx.load(*files(world, "current"))])
    reload = script(tmp_path / "r", "#!/bin/sh\n")
    world.server = replace(world.server, look_for=5, look_every=0.05, reload_command=reload)
    world.server = replace(world.server, alive=lambda: next(alive, lambda: None)())
    world.generate(at_once=True)
    fleet.beat()
    assert Switch.objects.first().outcome == "verified"
    world.after(HOUR)
    return [phone.terminal for phone in phones]


@pytest.fixture
def kamailio(world, tmp_path, settings):
    """It knows these numbers, each by when its TLS connection was made, None without one; a proof asks it."""

    def says(known):
        contacts, connections = "", ""
        for key, (number, since) in enumerate(known.items(), start=1):
            contacts += CONTACT.format(number=number, key=key)
            if since is not None:
                connections += CONNECTION.format(key=key, since=since)
        (tmp_path / "dump").write_text(f"{contacts}Records: {len(known)}\n")
        (tmp_path / "connections").write_text(connections)
        settings.KAMCMD = script(tmp_path / "kamcmd", ASK.format(now=world.now, directory=tmp_path))

    return says


@pytest.fixture
def proved(world, kamailio):
    def by(known):
        kamailio(known)
        orders.order_by_person(2, world.now, by="anna")
        return prove_ordered(world.clock())

    return by


def known_of(terminal, number=2):
    return Installation.objects.filter(generation=number, terminal=terminal).values_list(
        "registered_since", "registered_at"
    )[0]


def test_of_each_terminal_it_is_written_down_when_its_connection_was_made(world, switched, proved):
    anna, berta = switched
    proof = proved({anna.number: world.now - MINUTE, berta.number: world.now - 2 * HOUR, "stranger": world.now})

    since, at = known_of(anna)
    assert abs(since - (world.now - MINUTE)) < timedelta(seconds=2)
    assert at >= world.now
    assert known_of(berta) == (None, at), "it is connected since before the switch"
    assert known_of(anna, 1) == (None, None), "another generation is none of this proof's business"
    assert (proof.records[-1].sent, proof.records[-1].received) == (3, 2)


def test_a_page_says_of_each_terminal_how_it_stands_now(world, fleet, switched, proved, viewer_client):
    def text(response):
        return " ".join(strip_tags(response.content.decode()).split())

    viewer_client.cookies["django_language"] = "en"
    anna, berta = switched
    [clara] = fleet.add(1)
    page = text(viewer_client.get("/terminals/registered/"))
    assert "Kamailio is not asked: PBXCERTS_KAMCMD names no program." in page
    proved({anna.number: world.now - MINUTE, berta.number: None, "stranger": world.now})

    def shown(group):
        page = text(viewer_client.get("/terminals/registered/", {"group": group}))
        assert "not over TLS : 1" in page.replace("TLS:", "TLS :")
        assert "for generation 2, which is served" in page
        numbers = {anna.number, berta.number, clara.terminal.number}
        return {number for number in numbers if f"desk {number}" in page}

    assert shown("since") == {anna.number}
    assert shown("older") == shown("") == shown("nonsense") == {berta.number}
    assert shown("unknown") == {clara.terminal.number}
    assert "/terminals/registered/" in viewer_client.get("/certificates/call-proof/").content.decode()


def test_the_page_costs_the_same_for_many(world, fleet, switched, proved, viewer_client):
    proved({switched[0].number: None})

    def queries():
        with CaptureQueriesContext(connection) as captured:
            viewer_client.get("/terminals/registered/?group=unknown")
        return len(captured)

    before = [queries(), queries()][1]
    fleet.add(60)
    assert queries() == before


def test_one_that_is_registered_without_tls_has_shown_nothing(switched, proved):
    proved({switched[0].number: None})

    since, at = known_of(switched[0])
    assert since is None
    assert at is not None
    assert known_of(switched[1]) == (None, None), "of it nothing was said"


def test_what_was_shown_once_stands_whatever_is_said_later(world, switched, proved):
    anna, berta = switched
    proved({anna.number: world.now - MINUTE, berta.number: None})
    shown = known_of(anna)
    world.after(HOUR)
    proved({anna.number: None, berta.number: world.now - MINUTE})

    assert known_of(anna) == shown
    assert known_of(berta)[0] is not None


def test_a_connection_from_while_the_server_may_have_presented_the_old_pair_shows_nothing(world, switched, proved):
    """The pair is active from before the reload on; it was seen at the end of the switch."""
    switch = Switch.objects.first()
    Switch.objects.filter(pk=switch.pk).update(finished_at=world.now - 10 * MINUTE)
    proved({switched[0].number: world.now - 11 * MINUTE, switched[1].number: world.now - 9 * MINUTE})

    assert [known_of(one)[0] is not None for one in switched] == [False, True]


@pytest.mark.parametrize("outcome", ["not_verified", "stays", "went_back"])
def test_after_a_switch_that_was_not_seen_no_connection_shows_anything(world, switched, proved, outcome):
    Switch.objects.update(outcome=outcome)
    proved({switched[0].number: world.now - MINUTE})

    assert known_of(switched[0]) == (None, None)


def test_a_server_that_presents_something_else_now_makes_no_connection_show_anything(world, switched, proved, pbx):
    pbx.load(*files(world, "generations/0001"))
    proof = proved({switched[0].number: world.now - MINUTE})

    assert proof.outcome == "tls_failed"
    assert known_of(switched[0]) == (None, None)


def test_where_no_address_is_looked_at_no_connection_shows_anything(world, switched, proved):
    world.set(tls_addresses=[])
    proved({switched[0].number: world.now - MINUTE})

    assert known_of(switched[0]) == (None, None)


def test_a_switch_that_begins_while_kamailio_is_asked_makes_its_answer_count_for_nothing(
    world, switched, proved, monkeypatch
):
    def ask_meanwhile(*arguments, **options):
        Switch.objects.create(to_id=1, why="person", ordered_at=world.now)
        return asked(*arguments, **options)

    asked = registered.ask
    monkeypatch.setattr(registered, "ask", ask_meanwhile)
    proved({switched[0].number: world.now - MINUTE})

    assert known_of(switched[0]) == (None, None)


def test_another_telephone_is_not_taken_for_the_one_that_had_connected(world, fleet, switched, proved):
    anna = switched[0]
    proved({anna.number: world.now - MINUTE})
    for mac in ("00085DFFFFFD", "00085DFFFFFE"):
        changes.save(anna, {"mac": mac})
    fleet.beat()
    assert known_of(anna) == (None, None)

    type(anna).objects.update(replaced_at=world.now)
    proved({anna.number: world.now - MINUTE})
    assert known_of(anna)[0] is None, "that connection is still the old one's"

    world.after(HOUR)
    proved({anna.number: world.now - MINUTE})
    assert known_of(anna)[0] is not None


def test_one_that_says_half_an_answer_is_not_believed(world, switched, kamailio, proved, monkeypatch):
    monkeypatch.setattr("certificates.communication_server.kamailio.LONGEST", 100)
    proof = proved({**dict.fromkeys(map(str, range(50))), switched[0].number: world.now - MINUTE})

    assert proof.records[-1].finding.value == "not_asked"
    assert known_of(switched[0]) == (None, None)


@pytest.mark.parametrize(("made", "is_proved"), [("23:30", False), ("00:30", False), ("01:30", False), ("02:30", True)])
def test_in_the_night_in_which_summer_time_ends_nobody_is_proved_who_may_have_connected_before_the_switch(
    tmp_path, made, is_proved
):
    """Switched at 01:20 UTC on 25 October, which is 02:20 for the second time: what Kamailio calls 02:30 may be an hour earlier."""
    zone = ZoneInfo("Europe/Zurich")
    day = 24 if made == "23:30" else 25
    at, now = utc(f"2026-10-{day} {made}"), utc("2026-10-25 03:00")
    (tmp_path / "dump").write_text(CONTACT.format(number="120", key=1) + "Records: 1\n")
    (tmp_path / "connections").write_text(CONNECTION.format(key=1, since=at.astimezone(zone)))
    asked = Kamailio(script(tmp_path / "kamcmd", ASK.format(now=now.astimezone(zone), directory=tmp_path)))

    known, _record = registered.ask(asked, utc("2026-10-25 01:20"), now, zone=zone)

    assert [one.since is not None for one in known] == [is_proved]


def test_many_numbers_are_few_statements(world, switched, django_assert_max_num_queries):
    since = {f"9{number:05}": None for number in range(1500)} | {switched[0].number: world.now}
    with django_assert_max_num_queries(3 * 4 + 4):
        registrations.registered(since, 2, world.clock(), world.now)

    assert known_of(switched[0])[0] == world.now
