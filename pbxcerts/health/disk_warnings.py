"""A disk that is almost full, told before it is a failure (rule almost-full)."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from pbxcerts.backup.models import BackupRun
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.free_room import FreeRoom, free_room, places_of_their_own
from pbxcerts.system.models import General, Severity

HINT = _("Without room nothing can be renewed. Delete what nobody needs, or enlarge the disk.")
FILLED = _("Logs, backups or other programs have filled the disk.")
SCARCE = EventKind(
    "disk_scarce",
    Severity.SERIOUS,
    _("The disk of %(place)s is almost full: %(left)s MB are left."),
    cleared=_("The disk of %(place)s has room again, or is no longer used."),
    hint=HINT,
    cause=FILLED,
    consequence=_(
        "Nothing yet. When the disk is full, nothing is renewed any more, and calls end with the active pair."
    ),
)
FULL = EventKind(
    "disk_full",
    Severity.CRITICAL,
    _("The disk of %(place)s is full: %(left)s MB are left, or no other file has room."),
    cleared=_("The disk of %(place)s takes files again, or is no longer used."),
    hint=HINT,
    cause=FILLED,
    consequence=_("No pair can be made or published and no evidence kept. Calls go on until the active pair ends."),
)


def disk_warnings(general: General) -> Iterator[Notice]:
    """Of the data directory, of the store and of the backups, where these lie on other disks. What is known of the disk of the
    backups the last backup has written down: it may be on a machine that is away (rule backup-schedule).
    """
    for name, place in places_of_their_own():
        yield from _of(name, place, free_room(place))
    if general.backup_enabled and settings.BACKUPS is not None:
        run = BackupRun.load()
        if not run.beside_data and run.room_left is not None:
            yield from _of("backups", settings.BACKUPS, FreeRoom(run.room_left))


def _of(name: str, place: Path, room: FreeRoom | None) -> Iterator[Notice]:
    if room is None or not room.is_scarce:
        return
    params = {"place": str(place), "left": room.megabytes}
    yield Notice(SCARCE, subject=name, params=params)
    if room.is_full:
        yield Notice(FULL, subject=name, params=params)
