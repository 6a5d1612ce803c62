"""`regenerate --at-once`: `--restart-now` or `--no-restart-now` decides whether telephones restart now or in the next window."""

from datetime import UTC, datetime, timedelta

import pytest

from certificates.models import Generation
from pbxcerts.heartbeat import beat
from terminals.models import Installation, Rollout, Terminal, TerminalType
from tests.support.sip_phone import a_phone

pytestmark = pytest.mark.usefixtures("pauses_over_at_once")


@pytest.fixture
def by_day(active):
    """It is six hours to the next window; the active pair carries calls."""
    in_six_hours = datetime.now(UTC) + timedelta(hours=6)
    active.set(time_zone="UTC", generation_time=in_six_hours.time().replace(second=0, microsecond=0))
    return active


@pytest.fixture
def phone(by_day):
    """A Mitel phone on a real socket that trusts the first pair; the requests that it has heard."""
    with a_phone() as (port, heard):
        kind = TerminalType.objects.get(name="Mitel 6867i")
        terminal = Terminal.objects.create(number="101", type=kind, address=f"127.0.0.1:{port}", way="direct")
        Installation.objects.create(
            generation_id=1, terminal=terminal, state="confirmed", confirmed_at=datetime.now(UTC), wave=1
        )
        yield heard


def state():
    return Installation.objects.get(generation=2).state


def test_restart_now_restarts_them_by_day(by_day, phone):
    assert by_day.run("regenerate", "--at-once", "--restart-now").exit_code == 0
    beat()

    assert Rollout.objects.get(generation=2).restart_now
    assert (state(), len(phone)) == ("heard", 1)


@pytest.mark.parametrize("option", [["--no-restart-now"], []], ids=["said", "not said"])
def test_without_it_they_wait_for_the_window(by_day, phone, option):
    assert by_day.run("regenerate", "--at-once", *option).exit_code == 0
    beat()

    assert by_day.states == {1: "superseded", 2: "active"}
    assert not Rollout.objects.get(generation=2).restart_now
    assert (state(), len(phone)) == ("waiting", 0)


def test_with_handover_it_restarts_nobody_by_day(by_day, phone):
    assert by_day.run("regenerate", "--restart-now").exit_code == 0
    beat()

    assert by_day.states == {1: "active", 2: "prepared"}
    assert (state(), len(phone)) == ("waiting", 0)


@pytest.mark.parametrize(("option", "heard"), [([], 1), (["--no-restart-now"], 0)], ids=["not said", "refused"])
def test_where_the_pair_has_ended_they_restart_now_unless_it_is_said_that_they_do_not(by_day, phone, option, heard):
    Generation.objects.update(end=datetime.now(UTC) - timedelta(hours=1))

    assert by_day.run("regenerate", *option).exit_code == 0
    beat()

    assert Rollout.objects.get(generation=2).restart_now == bool(heard)
    assert len(phone) == heard
