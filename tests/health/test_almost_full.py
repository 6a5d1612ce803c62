"""A disk that is almost full is told before it is a failure (rule almost-full)."""

from typing import NamedTuple

import pytest
from django.utils import translation

from pbxcerts.backup.models import BackupRun
from pbxcerts.health.disk_warnings import disk_warnings
from pbxcerts.heartbeat import beat
from pbxcerts.system import free_room
from pbxcerts.system.events import cleared_text_of
from pbxcerts.system.models import EventMessage, General

pytestmark = pytest.mark.django_db


class Disk(NamedTuple):
    f_bavail: int
    f_frsize: int = 10**6
    f_files: int = 10**6
    f_favail: int = 10**6


@pytest.fixture
def disk(monkeypatch, tmp_path, settings, key_file):
    settings.DATA, settings.STORE = tmp_path / "data", tmp_path / "store"
    settings.DATA.mkdir(exist_ok=True)

    def has(megabytes, **other):
        monkeypatch.setattr(free_room.os, "statvfs", lambda _place: Disk(megabytes, **other))

    return has


def told():
    return [(one.id, one.severity) for one in disk_warnings(General.load())]


@pytest.mark.parametrize(
    ("megabytes", "other", "wanted"),
    [
        (250, {}, []),
        (249, {}, [("disk_scarce", "serious")]),
        (20, {}, [("disk_scarce", "serious")]),
        (19, {}, [("disk_scarce", "serious"), ("disk_full", "critical")]),
        (10**6, {"f_favail": 0}, [("disk_scarce", "serious"), ("disk_full", "critical")]),
        (250, {"f_files": 0, "f_favail": 0}, []),
    ],
)
def test_it_is_serious_and_then_critical_by_the_limits_of_the_checks(disk, megabytes, other, wanted):
    disk(megabytes, **other)

    assert told() == wanted


def test_a_disk_of_its_own_is_told_by_itself_and_a_common_one_once(disk, monkeypatch):
    disk(100)
    assert len(told()) == 1

    monkeypatch.setattr(free_room, "places_of_their_own", lambda: iter(free_room.places().items()))
    monkeypatch.setattr("pbxcerts.health.disk_warnings.places_of_their_own", free_room.places_of_their_own)

    assert len(told()) == 2


def test_the_heartbeat_tells_it_once_and_clears_it_when_there_is_room_again(disk):
    disk(100)
    beat()
    beat()
    message = EventMessage.objects.get(kind="disk_scarce")
    assert message.cleared_at is None

    disk(1000)
    beat()

    message.refresh_from_db()
    assert message.cleared_at is not None
    with translation.override("en"):
        assert "has room again" in cleared_text_of(message)


@pytest.mark.parametrize(("beside_data", "wanted"), [(False, [("disk_scarce", "serious")]), (True, [])])
def test_of_the_disk_of_the_backups_it_knows_what_the_last_one_has_written_down(disk, settings, beside_data, wanted):
    disk(10**6)
    settings.BACKUPS = settings.DATA / "backups"
    General.load()
    General.objects.update(backup_enabled=True)
    BackupRun.load()
    BackupRun.objects.update(room_left=100 * 10**6, beside_data=beside_data)

    assert told() == wanted
