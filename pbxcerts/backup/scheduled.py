"""A scheduled backup: where it goes, what its file is called, and which others go (rule backup-schedule)."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from pbxcerts.backup import making, one_at_a_time
from pbxcerts.backup.encryption import Recipients
from pbxcerts.backup.errors import BackupError, BackupNotMade
from pbxcerts.backup.making import MadeBackup
from pbxcerts.backup.models import BackupRun
from pbxcerts.system.free_room import free_room
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping


def make(general: General) -> tuple[Path, MadeBackup]:
    """Make the scheduled backup now, write down what came of it, and delete those that are too many. Raises BackupError, OSError or
    DatabaseError.
    """
    # Before the place is looked at: a server that is away may hold this process up there for as long as it likes.
    with one_at_a_time.workplace() as workplace:
        return _make(workplace, general, timekeeping.machine_time())


def _make(workplace: Path, general: General, now: datetime) -> tuple[Path, MadeBackup]:
    BackupRun.load()
    try:
        target = _place(general) / name_of(general, now)
        BackupRun.objects.update(beside_data=_lies_with_data(target.parent))
        made = making.make_file(workplace, target, Recipients(tuple(general.backup_recipients)), now)
        BackupRun.objects.update(good_at=now, good_name=target.name, good_size=made.size, tries=0, failure="")
        delete_all_but(general.backup_keep, target, general)
        _remember_room(target.parent)
    except BackupError as error:
        BackupRun.objects.update(tried_at=now, failure=str(error))
        raise
    except OSError as error:
        if settings.BACKUPS is not None:
            _remember_room(settings.BACKUPS)
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        BackupRun.objects.update(tried_at=now, failure=why)
        raise
    return target, made


def _remember_room(place: Path) -> None:
    """What is left where the backups lie, for the heartbeat (rule almost-full)."""
    room = free_room(place)
    BackupRun.objects.update(room_left=None if room is None else room.octets)


def _place(general: General) -> Path:
    if not general.backup_recipients:
        raise BackupNotMade(_("No public key for backups is entered under System / General."))
    if settings.BACKUPS is None:
        raise BackupNotMade(_("PBXCERTS_BACKUPS is not set: it must name the directory for the backups."))
    if not settings.BACKUPS.is_dir():
        # It is not made: where a disk is not mounted, the backups would silently go to another one.
        raise BackupNotMade(
            _("The directory %(directory)s of PBXCERTS_BACKUPS is not there. Make it, or mount the disk.")
            % {"directory": settings.BACKUPS}
        )
    return Path(settings.BACKUPS)


def _lies_with_data(place: Path) -> bool:
    """Whether the backups are on the file system of the data directory, and would be lost with it."""
    return place.stat().st_dev == Path(settings.DATA).stat().st_dev


def name_of(general: General, now: datetime) -> str:
    return f"{_beginning(general)}{now:%Y%m%dT%H%M%SZ}.tar.gz.age"


def delete_all_but(keep: int, newest: Path, general: General) -> list[Path]:
    """Of the backups of this installation beside `newest`, which stays in any case: a clock that was wrong once has given a name
    that is later than all others. Returns what was deleted. Raises OSError.
    """
    others = sorted((file for file in _backups_in(newest.parent, general) if file != newest), reverse=True)
    surplus = others[keep - 1 :]
    for file in surplus:
        file.unlink(missing_ok=True)
    return surplus


def _backups_in(directory: Path, general: General) -> Iterator[Path]:
    ours = re.compile(re.escape(_beginning(general)) + r"[0-9]{8}T[0-9]{6}Z\.tar\.gz\.age", re.ASCII)
    return (file for file in directory.iterdir() if ours.fullmatch(file.name))


def _beginning(general: General) -> str:
    """Several installations may keep their backups in one place."""
    return f"pbxcerts-{general.installation[:8]}-"
