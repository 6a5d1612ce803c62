"""What /readyz finds in the database, and when it refuses (rules ready-while-it-answers, proof-of-life)."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError

from certificates.communication_server.mark import StoreMark
from pbxcerts.health import readiness
from pbxcerts.health.own_state import OwnState
from pbxcerts.health.readiness import ReadinessProbe
from pbxcerts.system.models import ClockCheck, General, Heartbeat
from pbxcerts.system.run_files import FAILING_PROCESSES, FailingProcess
from pbxcerts.system.time import timekeeping
from tests.support.machine import Machine

MINUTE = timedelta(minutes=1)


@pytest.fixture
def machine(monkeypatch, db, tmp_path, settings):
    settings.STORE, settings.DATA = tmp_path / "store", tmp_path
    (tmp_path / "run").mkdir()
    machine = Machine()
    monkeypatch.setattr(timekeeping, "read_machine", machine.read)
    return machine


def beat(machine, **values):
    now = machine.read()
    Heartbeat.load()
    Heartbeat.objects.update(
        last_run=now.wall,
        ran_boottime=now.boottime,
        ran_boot_id=now.boot_id,
        beats=Heartbeat.load().beats + 1,
        **values,
    )


def seen(own=None, look=None):
    """The reasons by the name of the check."""
    look = look or ReadinessProbe(own or OwnState())
    return {one.name: one.reason for one in look.look_into_database()}


def test_all_is_in_order_after_a_heartbeat_while_a_server_says_that_the_clock_is_right(machine):
    beat(machine)
    now = machine.read()
    General.load()
    General.objects.update(ntp_enabled=True, ntp_servers=["ntp.example"])
    check = ClockCheck.objects.create(
        checked_at=now.wall,
        boottime=now.boottime,
        boot_id=now.boot_id,
        offset=timedelta(),
        server="ntp.example",
        stratum=2,
    )
    Heartbeat.objects.update(last_check=check)

    assert seen() == {"database": "", "worker": "", "clock": "", "store": ""}


def test_a_clock_of_which_nobody_knows_is_told(machine):
    assert seen()["clock"] == "the NTP service is off"
    General.objects.update(ntp_enabled=True, ntp_servers=["ntp.example"])

    assert seen()["clock"] == "no NTP server has answered"


def test_a_worker_that_has_shown_no_life_for_three_minutes_is_told(machine):
    assert seen()["worker"] == "no heartbeat yet"
    beat(machine)
    machine.run(2 * MINUTE)
    assert seen()["worker"] == ""
    machine.run(MINUTE)
    assert seen()["worker"] == "no heartbeat for 180 s"


def test_a_clock_that_is_set_is_no_silence(machine):
    beat(machine)
    machine.set_clock(timedelta(days=365))

    assert seen()["worker"] == ""


def test_a_long_round_shows_life_before_it_is_over(machine):
    beat(machine)
    seconds = [0.0]
    look = ReadinessProbe(OwnState(), monotonic=lambda: seconds[0])
    seen(look=look)
    machine.run(10 * MINUTE)
    assert seen(look=look)["worker"] == "no heartbeat for 600 s"

    Heartbeat.objects.update(beats=100)
    assert seen(look=look)["worker"] == ""
    seconds[0] = 180.0
    assert seen(look=look)["worker"] == "no heartbeat for 600 s"


def test_a_worker_that_ends_again_and_again_is_told_at_once(machine, settings):
    beat(machine)
    FAILING_PROCESSES.write(settings.DATA, {"worker": FailingProcess(3, "exit code 1")})

    assert seen()["worker"] == "it ends again and again"


def test_a_publication_that_failed_is_told_without_the_systems_words(machine):
    beat(machine, publish_failure="/srv/secret/path: Permission denied")

    assert seen()["store"] == "the last publication failed"


def test_a_store_of_another_installation_is_told(machine, settings):
    settings.STORE.mkdir()
    (settings.STORE / "mark.json").write_bytes(StoreMark("a" * 32).content())

    assert "an administrator decides" in seen()["store"]


def refused(error):
    def look(*_arguments, **_options):
        raise error

    return look


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OperationalError("database is locked"), "locked"),
        (OperationalError("connection to pbx:secret@db.example failed"), "cannot be read"),
    ],
)
def test_a_database_that_fails_is_told_in_fixed_words(machine, monkeypatch, error, reason):
    monkeypatch.setattr(readiness.General, "load", refused(error))

    found = seen()
    assert found["database"] == reason
    assert {found[name] for name in ("worker", "clock", "store")} == {"not known: the database cannot be read"}


def test_it_costs_five_queries_at_most(machine, django_assert_max_num_queries):
    beat(machine)
    General.load()
    with django_assert_max_num_queries(5):
        seen()


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serves_terminals", "has_files", "database", "ready"),
    [
        (True, True, "locked", True),
        (True, False, "locked", False),
        (True, False, "", False),
        (False, False, "", True),
        (False, False, "locked", False),
    ],
)
def test_it_refuses_only_where_this_process_cannot_answer(monkeypatch, serves_terminals, has_files, database, ready):
    """Telephones get their files from memory, once they have been read; a panel alone needs its database."""
    in_doubt = [readiness.check("database", database), readiness.check("clock", "more than 12 h off")]
    monkeypatch.setattr(ReadinessProbe, "look_into_database", lambda _self: in_doubt)
    own = OwnState({"terminals_https", "panel_https"}, {"panel_https"}, serves_terminals, lambda: has_files)

    found, value = asyncio.run(ReadinessProbe(own).as_json())

    assert (found, value["ready"]) == (ready, ready)
    assert value["checks"][-1] == {"name": "listeners", "ok": False, "reason": "not open: terminals_https"}
    assert {one["name"]: one["ok"] for one in value["checks"]}["clock"] is False
