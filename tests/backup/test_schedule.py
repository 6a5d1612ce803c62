"""When a backup is made by itself, when its absence is told, and that the heartbeat waits for none (rule backup-schedule)."""

import fcntl
import os
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import DatabaseError

from pbxcerts.backup import one_at_a_time, schedule, scheduled
from pbxcerts.backup.errors import BackupNotMade, BackupRunning
from pbxcerts.backup.models import BackupRun
from pbxcerts.backup.warnings import backup_warnings
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from tests.support.backups import KeyPair
from tests.support.peers import missing

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
NOW = datetime(2027, 3, 10, 12, 0, tzinfo=UTC)


def general(**values):
    return General(
        **{
            "backup_enabled": True,
            "backup_days": 1,
            "backup_time": time(3, 30),
            "backup_keep": 3,
            "time_zone": "Europe/Berlin",
            "installation": "ab" * 16,
            **values,
        }
    )


def run(**values):
    return BackupRun(since=NOW - 100 * DAY, **values)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


# -- when --------------------------------------------------------------------------------------------------------------


def test_it_is_off_until_somebody_switches_it_on():
    assert schedule.due_at(General(), run(), NOW) is None
    assert schedule.late_since(General(), run(), NOW) is None


def test_the_first_is_made_at_once():
    assert schedule.due_at(general(), run(), NOW) == NOW


@pytest.mark.parametrize(
    ("good_at", "days", "due"),
    [
        (utc(2027, 3, 10, 2, 30), 1, utc(2027, 3, 11, 2, 30)),
        # Made by hand at noon: the night after is nearest to a day later.
        (utc(2027, 3, 10, 12, 0), 1, utc(2027, 3, 11, 2, 30)),
        (utc(2027, 3, 10, 20, 0), 1, utc(2027, 3, 12, 2, 30)),
        (utc(2027, 3, 10, 2, 31), 7, utc(2027, 3, 17, 2, 30)),
        # Summer time begins on 28 March: by the clock on the wall it stays half past three.
        (utc(2027, 3, 27, 2, 30), 1, utc(2027, 3, 28, 1, 30)),
    ],
)
def test_the_next_is_made_at_the_set_time_that_is_nearest(good_at, days, due):
    assert schedule.due_at(general(backup_days=days), run(good_at=good_at), good_at + HOUR) == due


def test_after_a_failure_it_is_tried_after_ten_minutes_and_then_hourly():
    good = NOW - 2 * DAY
    pauses = [
        schedule.due_at(general(), run(good_at=good, tried_at=NOW, tries=tries), NOW) - NOW for tries in (1, 2, 3, 9)
    ]

    assert pauses == [10 * MINUTE, HOUR, HOUR, HOUR]
    assert schedule.due_at(general(), run(tried_at=NOW, tries=1), NOW) == NOW + 10 * MINUTE


def test_what_a_wrong_clock_has_dated_ahead_does_not_hold_it():
    ahead = NOW + 1000 * DAY

    assert schedule.due_at(general(), run(good_at=ahead), NOW) == NOW
    assert schedule.due_at(general(), run(tried_at=ahead, tries=5), NOW) == NOW
    assert schedule.late_since(general(), run(good_at=ahead), NOW) is not None


@pytest.mark.parametrize("days", [1, 7])
def test_it_is_late_when_the_last_good_one_is_older_by_half_than_it_should_be(days):
    good, limit = NOW, NOW + 1.5 * days * DAY

    for now, late in ((limit - MINUTE, None), (limit, limit), (limit + 10 * DAY, limit)):
        assert schedule.late_since(general(backup_days=days), run(good_at=good), now) == late


def test_who_has_just_switched_it_on_is_given_time():
    row = BackupRun(since=NOW, good_at=NOW - 100 * DAY)

    assert schedule.late_since(general(), row, NOW + DAY) is None
    assert schedule.late_since(general(), row, NOW + 2 * DAY) is not None


@pytest.mark.django_db
def test_that_it_is_late_is_an_event_message_with_what_is_known(settings, tmp_path):
    settings.BACKUPS = tmp_path / "away"
    BackupRun.objects.create(since=NOW - 3 * DAY)
    assert [notice.id for notice in backup_warnings(general(), NOW)] == ["backup_missing"]

    BackupRun.objects.update(good_at=NOW - 2 * DAY)
    (late,) = backup_warnings(general(), NOW)
    assert (late.id, late.severity) == ("backup_late", "serious")
    assert "2027" in late.text

    BackupRun.objects.update(good_at=NOW)
    assert [*backup_warnings(general(), NOW)] == []


# -- the process -------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch):
    """How often a process was started."""
    count = []
    monkeypatch.setattr(schedule, "start", lambda _run, _now: count.append(1))
    return count


@pytest.fixture
def enabled(db, settings, tmp_path):
    settings.DATA, settings.BACKUPS = tmp_path / "data", tmp_path / "backups"
    (settings.DATA / "run").mkdir(parents=True)
    settings.BACKUPS.mkdir()
    General.load()
    General.objects.update(backup_enabled=True, backup_recipients=[KeyPair(tmp_path).public])


@pytest.mark.peer
def test_it_is_started_when_it_is_due_and_nobody_makes_one(enabled, started, settings):
    now = timekeeping.machine_time()
    schedule.start_if_due(now)
    assert len(started) == 1

    descriptor = os.open(settings.DATA / "run" / "backup.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    schedule.start_if_due(now)
    os.close(descriptor)
    BackupRun.objects.update(good_at=now)
    schedule.start_if_due(now)
    General.objects.update(backup_enabled=False)
    BackupRun.objects.update(good_at=None)
    schedule.start_if_due(now)
    assert len(started) == 1


@pytest.mark.peer
def test_a_database_that_is_away_or_a_process_that_can_not_be_started_is_no_failure_of_the_heartbeat(
    enabled, monkeypatch, caplog
):
    def fails(*_arguments, **_options):
        raise OSError("no more processes")

    monkeypatch.setattr(schedule.subprocess, "Popen", fails)
    schedule.start_if_due(timekeeping.machine_time())
    assert "could not be started" in caplog.text
    assert BackupRun.load().tries == 1

    def away(_class):
        raise DatabaseError("away")

    monkeypatch.setattr(General, "load", classmethod(away))
    schedule.start_if_due(timekeeping.machine_time())
    assert "could not be read" in caplog.text


@pytest.mark.peer
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda settings: setattr(settings, "BACKUPS", None), "PBXCERTS_BACKUPS"),
        (lambda settings: settings.BACKUPS.rmdir(), "mount the disk"),
        (lambda _settings: General.objects.update(backup_recipients=[]), "No public key"),
    ],
    ids=["not set", "not there", "no key"],
)
def test_why_it_failed_is_written_down(enabled, settings, change, said):
    change(settings)
    with pytest.raises(BackupNotMade):
        scheduled.make(General.load())

    row = BackupRun.load()
    assert said in row.failure
    assert (row.tried_at is not None, row.good_at) == (True, None)


@pytest.fixture
def another_file_system(tmp_path):
    for place in ("/dev/shm", "/var/tmp"):
        if os.access(place, os.W_OK) and Path(place).stat().st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(prefix="pbxcerts-backups-", dir=place) as directory:
                yield Path(directory)
            return
    missing("this machine has one file system alone")


@pytest.fixture
def told(enabled, settings, monkeypatch):
    """What the heartbeat says after a backup, when the place of the backups is gone: as with a server that is away, whoever looks
    there waits.
    """
    monkeypatch.setattr(scheduled.making, "make_file", lambda *_arguments: SimpleNamespace(size=1))
    monkeypatch.setattr(scheduled, "delete_all_but", lambda *_arguments: [])

    def told():
        scheduled.make(General.load())
        settings.BACKUPS = None
        return [notice.id for notice in backup_warnings(General.load(), timekeeping.machine_time())]

    return told


@pytest.mark.peer
def test_backups_beside_the_data_are_warned_of_and_the_heartbeat_does_not_look_at_the_place(told):
    assert told() == ["backup_beside_data"]


@pytest.mark.peer
def test_backups_on_another_file_system_are_in_order(told, settings, another_file_system):
    settings.BACKUPS = another_file_system

    assert told() == []


@pytest.mark.peer
def test_an_attempt_is_counted_when_it_is_started_and_by_one_alone(enabled, monkeypatch):
    """Whoever is killed, or takes a minute until it begins, is not started anew meanwhile."""
    begun = []

    class Process:
        def __init__(self, command, **_options):
            begun.append(command)

        def wait(self):
            pass

    monkeypatch.setattr(schedule.subprocess, "Popen", Process)
    now, read_before = timekeeping.machine_time(), BackupRun.load()
    for minutes in range(9):
        schedule.start_if_due(now + minutes * MINUTE)
    schedule.start(read_before, now)
    assert len(begun) == 1
    assert begun[0][1:] == ("-m", "pbxcerts", "backup", "--scheduled")

    schedule.start_if_due(now + 10 * MINUTE)
    schedule.start_if_due(now + 60 * MINUTE)
    assert len(begun) == 2
    assert BackupRun.load().tries == 2


@pytest.mark.peer
def test_while_one_is_made_no_second_is_begun(enabled):
    with one_at_a_time.workplace() as place:
        (place / "what is being made").touch()
        with pytest.raises(BackupRunning):
            scheduled.make(General.load())

    assert BackupRun.load().failure == ""
    assert not place.exists()


@pytest.mark.peer
def test_what_a_killed_one_has_left_goes_with_the_next(enabled, settings):
    left = settings.DATA / "run" / "backup" / "database.sqlite3"
    left.parent.mkdir()
    left.touch()

    with one_at_a_time.workplace() as place:
        assert [*place.iterdir()] == []
