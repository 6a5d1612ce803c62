"""A telephone that restarts and is in a call is left for later (rule kamailio-asked)."""

import pytest
from django.utils.html import strip_tags

from certificates.communication_server import kamailio
from terminals.drivers.base import Reaction
from terminals.models import DeliverySettings, Installation
from terminals.rollout import in_call
from terminals.rollout.in_call import WhoTalks
from tests.support.generations import DAY, HOUR, MINUTE, utc
from tests.support.tls_server import script

pytestmark = pytest.mark.simulation


REGISTERED = "AoR: 101\nAddress: sip:101@192.0.2.1:5060\nRecords: 1\n"
CALL = "from_uri: sip:{number}@pbx.test\nto_uri: sip:900@pbx.test\nstate: 4\ncontact: sip:{number}@{host}:5060\n"


def talking(*phones):
    return lambda: frozenset(phone.terminal.number for phone in phones)


def test_who_talks_is_asked_when_the_call_is_over(fleet, world, renew):
    one, other = fleet.equipped(2)
    renew(at=8 * HOUR)
    world.at(utc("2026-07-03 00:00"))
    for _ in range(20):
        world.after(MINUTE)
        fleet.beat(in_call=talking(one))
    assert (one.notified, len(other.notified)) == ([], 1)

    for _ in range(20):
        world.after(MINUTE)
        fleet.beat(in_call=talking())
    assert len(one.notified) == 1


def test_in_the_last_day_before_the_deadline_it_is_asked_all_the_same(fleet, world, renew):
    [phone] = fleet.equipped()
    renew(at=8 * HOUR)
    world.at(world.pending.deadline - 20 * HOUR)
    fleet.beat(in_call=talking(phone))
    assert phone.notified


def a_night(fleet, world, phone, *, night=0, hours=4):
    """Its window, in which the communication server says all the time that it is in a call; how often it was notified by then."""
    world.at(utc("2026-07-03 00:00") + night * DAY)
    for _ in range(hours * 12):
        world.after(5 * MINUTE)
        fleet.beat(in_call=talking(phone))
    return len(phone.notified)


def test_who_talks_through_a_whole_night_is_not_cut_off_and_who_is_said_to_talk_for_ever_is_the_next_night(
    fleet, world, renew
):
    """A stranger may write its contact into his own call, and whose it is nobody can tell."""
    [phone] = fleet.equipped()
    renew(at=8 * HOUR)
    assert a_night(fleet, world, phone) == 0
    assert a_night(fleet, world, phone, night=1, hours=2) == 1


def test_with_an_hour_each_night_that_is_five_nights(fleet, world, renew):
    DeliverySettings.load()
    DeliverySettings.objects.update(window_hours=1)
    [phone] = fleet.equipped()
    renew(at=8 * HOUR)
    deadline = world.pending.deadline

    assert [a_night(fleet, world, phone, night=night, hours=1) for night in range(6)] == [0, 0, 0, 0, 0, 1]
    assert world.now < deadline - DAY


def test_who_was_away_before_is_given_the_whole_time_of_a_call(fleet, world, renew):
    [phone] = fleet.equipped()
    renew(at=8 * HOUR)
    phone.answer = Reaction.ABSENT
    for night in range(2):
        world.at(utc("2026-07-03 00:00") + night * DAY)
        for _ in range(24):
            world.after(10 * MINUTE)
            fleet.beat()
    row = Installation.objects.get(terminal=phone.terminal, generation=2)
    assert row.postponed >= 10
    phone.answer, phone.notified[:] = Reaction.HEARD, []

    assert a_night(fleet, world, phone, night=2) == 0


def test_its_page_says_who_says_so_and_what_to_do_where_nobody_talks(fleet, world, renew, viewer_client):
    viewer_client.cookies["django_language"] = "en"
    [phone] = fleet.equipped()
    renew(at=8 * HOUR)
    world.at(utc("2026-07-03 00:00"))
    world.after(MINUTE)
    fleet.beat(in_call=talking(phone))
    page = " ".join(strip_tags(viewer_client.get(f"/terminals/{phone.terminal.pk}/").content.decode()).split())

    assert "Kamailio said that it is in a call (1 of at most 10 times in a row, about five hours)" in page
    assert "somebody else writes its contact into his own calls" in page
    assert "not notified: in a call, as Kamailio says" in page
    row = Installation.objects.get(terminal=phone.terminal, generation=2)
    assert (row.status_code, row.answered_at) == (None, None), "the telephone has said nothing"
    phone.terminal.refresh_from_db()
    assert phone.terminal.last_contact < utc("2026-07-03 00:00")


# -- who says so --------------------------------------------------------------------------------------------------------


@pytest.fixture
def kamcmd(tmp_path, settings):
    """Kamailio's program says this; what it was asked for."""

    def says(calls, status=0):
        (tmp_path / "dlg.list").write_text(calls)
        (tmp_path / "ul.dump").write_text(REGISTERED)
        asked = tmp_path / "asked"
        program = f'#!/bin/sh\necho "$1" >> {asked}\ncat "{tmp_path}/$1"\nexit {status}\n'
        settings.KAMCMD = script(tmp_path / "kamcmd", program)
        return lambda: asked.read_text().split() if asked.exists() else []

    return says


def test_kamailio_is_asked_once_for_a_moment(kamcmd):
    asked = kamcmd(CALL.format(number="101", host="192.0.2.1"))
    who = WhoTalks()
    assert [who(), who()] == [{"101"}] * 2
    assert asked() == ["dlg.list", "ul.dump"]


def test_who_is_registered_is_asked_once_in_a_round_and_only_where_somebody_is_in_a_call(kamcmd, monkeypatch):
    monkeypatch.setattr(in_call, "FRESH_FOR", 0)
    asked = kamcmd(CALL.format(number="101", host="192.0.2.1"))
    who = WhoTalks()
    assert [who(), who()] == [{"101"}] * 2
    assert asked() == ["dlg.list", "ul.dump", "dlg.list"]

    asked_before = len(asked())
    kamcmd("")
    assert WhoTalks()() == frozenset()
    assert asked()[asked_before:] == ["dlg.list"]


def test_a_stranger_who_calls_in_the_name_of_a_number_makes_nobody_busy(kamcmd):
    kamcmd(CALL.format(number="101", host="203.0.113.7"))
    assert WhoTalks()() == frozenset()


def test_one_that_does_not_answer_holds_nobody_up_and_is_asked_no_more(kamcmd):
    asked = kamcmd(CALL.format(number="101", host="192.0.2.1"), status=1)
    who = WhoTalks()
    assert [who(), who()] == [frozenset()] * 2
    assert asked() == ["dlg.list"]


def test_where_it_is_not_allowed_nobody_is_asked(settings, monkeypatch):
    settings.KAMCMD = []
    monkeypatch.setattr(kamailio.subprocess, "Popen", None)
    assert WhoTalks()() == frozenset()
