"""The heartbeat tells telephones to check, and asks those that restart for it, over a real socket (rule checking)."""

from datetime import UTC, datetime, timedelta

import pytest

from certificates.models import Generation
from certificates.renewal import orders
from pbxcerts.backup import restored
from pbxcerts.heartbeat import beat
from pbxcerts.system.time.ntp import NtpAnswer, NtpSurvey
from pbxcerts.system.time.timekeeping import current_clock
from terminals.checking.models import Checking
from terminals.models import Installation, Rollout, Terminal, TerminalType
from terminals.rollout import waves
from tests.support.generations import a_world
from tests.support.sip_phone import a_phone

pytestmark = pytest.mark.simulation


def right(servers):
    """Servers that agree with this machine."""
    return NtpSurvey(
        tuple(
            NtpAnswer(name, f"192.0.2.{n}", timedelta(), timedelta(), 2, 0) for n, name in enumerate(servers, start=1)
        )
    )


@pytest.fixture
def running(db, tmp_path, key_file, pauses_over_at_once):
    """The first pair is active since now, by this machine's own clock."""
    world = a_world(tmp_path / "store").at(datetime.now(UTC))
    orders.order_generation(current_clock(), orders.GenerationOrder(Generation.Trigger.PAGE, without_clock=True))
    beat(server=world.server, ask=right)
    assert world.states == {1: "active"}
    return world


@pytest.fixture
def at_night(running, monkeypatch):
    """Whatever the hour is."""
    monkeypatch.setattr(waves, "restarts_until", lambda _schedule, _hours, now: now + timedelta(hours=2))
    return running


def a_yealink(port, **values):
    kind = TerminalType.objects.create(name="A Yealink", method="yealink", wants="root", turns_checking_on=True)
    terminal = Terminal.objects.create(
        number="101", type=kind, address=f"127.0.0.1:{port}", way="direct", mac="001565000001", **values
    )
    Installation.objects.create(
        terminal=terminal,
        generation_id=1,
        state="confirmed",
        evidence="fetched",
        proof="record",
        confirmed_at=datetime.now(UTC),
    )
    return terminal


def test_one_that_restarts_for_it_is_asked_and_told_while_it_may_come(at_night):
    with a_phone() as (port, heard):
        a_yealink(port)
        beat(server=at_night.server, ask=right)

    assert len(heard) == 1
    row = Checking.objects.get()
    assert row.state == "told"
    assert row.until > datetime.now(UTC) + timedelta(minutes=30)


def test_one_that_refuses_is_told_no_longer(at_night):
    with a_phone("403 Forbidden") as (port, heard):
        a_yealink(port)
        beat(server=at_night.server, ask=right)

    assert len(heard) == 1
    assert Checking.objects.get().until <= datetime.now(UTC) + timedelta(minutes=1)


def test_while_the_rollout_is_paused_nobody_is_told(at_night):
    with a_phone() as (port, heard):
        a_yealink(port)
        beat(server=at_night.server, ask=right)
        Checking.objects.all().delete()
        Rollout.objects.update(state="paused")
        beat(server=at_night.server, ask=right)

    assert len(heard) == 1
    assert Checking.objects.count() == 0


def test_after_a_restore_each_is_told_in_its_turn(running, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(waves, "restarts_until", lambda _schedule, _hours, _now: None)
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir(exist_ok=True)
    terminal = a_yealink(9)
    now = datetime.now(UTC)
    Checking.objects.create(terminal=terminal, method="yealink", state="shown", asked_at=now, shown_at=now)
    beat(server=running.server, ask=right)
    assert Checking.objects.get().state == "shown"

    (tmp_path / "run" / restored.NOTE).write_text("{}")
    beat(server=running.server, ask=right)

    assert Checking.objects.count() == 0
