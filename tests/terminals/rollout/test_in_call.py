"""A telephone that restarts and is in a call is left for later (rule kamailio-asked)."""

import pytest

from certificates.communication_server import kamailio
from terminals.rollout.in_call import WhoTalks
from tests.support.generations import HOUR, MINUTE, utc
from tests.support.tls_server import script

CALL = "from_uri: sip:{number}@pbx.test\nto_uri: sip:900@pbx.test\nstate: 4\n"


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


# -- who says so --------------------------------------------------------------------------------------------------------


@pytest.fixture
def kamcmd(tmp_path, settings):
    """Kamailio's program says this."""

    def says(text, status=0):
        (tmp_path / "says").write_text(text)
        asked = tmp_path / "asked"
        program = f"#!/bin/sh\necho x >> {asked}\ncat {tmp_path / 'says'}\nexit {status}\n"
        settings.KAMCMD = script(tmp_path / "kamcmd", program)
        return lambda: len(asked.read_text().splitlines()) if asked.exists() else 0

    return says


def test_kamailio_is_asked_once_for_a_moment(kamcmd):
    asked = kamcmd(CALL.format(number="101"))
    who = WhoTalks()
    assert [who(), who()] == [{"101", "900"}] * 2
    assert asked() == 1


def test_one_that_does_not_answer_holds_nobody_up_and_is_asked_no_more(kamcmd):
    asked = kamcmd(CALL.format(number="101"), status=1)
    who = WhoTalks()
    assert [who(), who()] == [frozenset()] * 2
    assert asked() == 1


def test_where_it_is_not_allowed_nobody_is_asked(settings, monkeypatch):
    settings.KAMCMD = []
    monkeypatch.setattr(kamailio.subprocess, "Popen", None)
    assert WhoTalks()() == frozenset()
