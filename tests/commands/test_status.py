"""`status`: what a script and a person read."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from certificates.models import Generation
from certificates.renewal.handover import MissingTerminal, Readiness
from pbxcerts.system.commands import aligned
from pbxcerts.system.events import Notice
from pbxcerts.system.models import Heartbeat
from terminals.rollout.warnings import MANUAL_LEFT
from tests.support.generations import lacking


class OneIsMissing:
    """The terminals of an installation where one has not confirmed."""

    def readiness(self, **_asked):
        return Readiness(counting=2, **lacking(MissingTerminal(number="17", name="Reception", why="is switched off")))

    def forecast(self, _situation):
        raise AssertionError("status asks nobody what a generation would disturb")

    def warnings(self, _situation):
        return [Notice(MANUAL_LEFT, params={"number": 2, "count": 1, "names": "17 Reception"})]


@pytest.fixture
def one_is_missing(settings):
    settings.TERMINALS = f"{__name__}.OneIsMissing"


def ids(value) -> set[str]:
    return {warning["id"] for warning in value["warnings"]}


def test_before_the_first_generation_everything_has_its_place(installation):
    value = installation.run("status", "--json").json

    assert value["generations"] == []
    assert value["next_generation"] == {"at": None, "why": "no_generation"}
    assert value["handover"] == {"generation": None, "deadline": None, "counting": 0, "missing_count": 0, "missing": []}
    assert value["published"]["current"] is None
    assert value["heartbeat"] == {"last_run": None}
    assert value["clock"].pop("machine") == value["clock"].pop("counts")
    assert value["clock"] == {
        "state": "unanswered",
        "jumped": None,
        "offset": None,
        "server": None,
        "stratum": None,
        "checked_at": None,
    }
    assert ids(value) == {"no_generation", "clock_unanswered"}
    assert all(warning["text"] for warning in value["warnings"])


def test_the_active_pair_and_its_successor(active):
    value = active.run("status", "--json").json

    (pair,) = value["generations"]
    row = Generation.objects.get()
    assert pair["number"] == 1
    assert pair["state"] == "active"
    assert (pair["trigger"], pair["reason"]) == ("command", row.reason)
    assert pair["not_before"] == f"{row.host.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert pair["not_after"] == f"{row.host.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert (pair["root_sha256"], pair["host_sha256"]) == (row.root_sha256, row.host_sha256)
    assert value["next_generation"]["why"] == "interval"
    at = datetime.fromisoformat(value["next_generation"]["at"])
    assert timedelta(days=364) < at - timezone.now() < timedelta(days=366)
    assert value["published"] == {
        "current": 1,
        "store": "same",
        "matches": True,
        "differences": [],
        "failure": None,
        "unread_keys": [],
    }
    assert value["clock"]["state"] == "right"
    assert value["clock"]["server"] == active.ntp.server
    assert value["clock"]["stratum"] == 2
    assert abs(value["clock"]["offset"]) < 1
    assert value["clock"]["checked_at"] is not None
    assert value["warnings"] == []


def test_the_newest_generation_stands_first(prepared):
    value = prepared.run("status", "--json").json

    assert [pair["number"] for pair in value["generations"]] == [2, 1]


def test_a_handover_says_until_when_and_who_is_missing(prepared, one_is_missing):
    value = prepared.run("status", "--json").json

    deadline = Generation.objects.get(number=2).deadline
    assert value["handover"] == {
        "generation": 2,
        "deadline": f"{deadline.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "counting": 2,
        "missing_count": 1,
        "missing": [{"number": "17", "name": "Reception", "why": "is switched off"}],
    }
    assert value["next_generation"] == {"at": None, "why": "handover"}
    assert ids(value) == {"handover_waits", "manual_left"}


def test_files_that_differ_do_not_match(active):
    (active.store / "current" / "root.pem").write_text("something else")

    value = active.run("status", "--json").json

    assert not value["published"]["matches"]
    assert value["published"]["differences"] == ["generations/0001/root.pem"]
    assert "files_differ" in ids(value)


def test_the_heartbeat_is_when_it_last_ran(active):
    active.run("heartbeat")

    ran = active.run("status", "--json").json["heartbeat"]["last_run"]

    assert ran == f"{Heartbeat.load().last_run:%Y-%m-%dT%H:%M:%SZ}"


def test_a_failed_attempt_says_why(active, settings, tmp_path):
    right, settings.KEY_FILE = settings.KEY_FILE, tmp_path / "other.key"
    settings.KEY_FILE.write_text("no key\n")
    active.run("regenerate")
    settings.KEY_FILE = right

    failed = active.run("status", "--json").json["generations"][0]

    assert (failed["state"], failed["failure"]) == ("failed", "HostKeyError")
    assert (failed["not_before"], failed["root_sha256"]) == (None, None)


def test_a_person_reads_columns_in_the_zone_that_is_set(prepared, one_is_missing):
    out = prepared.run("status").out

    assert "Europe/Zurich" in out
    local = Generation.objects.get(number=2).deadline.astimezone(timezone.get_fixed_timezone(60))
    assert f"generation 2 (prepared), at the latest on {local:%Y-%m-%d}" in out
    assert "17  Reception  is switched off" in out
    assert any(line.startswith("1    active    ") for line in out.splitlines())


def test_a_person_reads_the_system_language(prepared):
    prepared.set(language="de")

    assert "Zeitzone" in prepared.run("status").out


def test_status_changes_nothing(prepared):
    before = Generation.objects.values().order_by("number")
    rows = list(before)

    prepared.run("status")

    assert list(before.all()) == rows
    assert Heartbeat.load().last_run is None


def test_ten_generations_are_shown_and_the_rest_is_counted(active):
    for number in range(2, 14):
        Generation.objects.create(
            number=number,
            state="failed",
            replaces=1,
            trigger="schedule",
            ordered_at=timezone.now(),
            key_type="p256",
            failure="IdentityError",
        )

    assert "and 3 older ones" in active.run("status").out
    assert len(active.run("status", "--json").json["generations"]) == 13


def test_columns_are_as_wide_as_their_longest_text():
    assert aligned([("a", "bb", "c"), ("aaa", "b", "")]) == "a    bb  c\naaa  b"
