"""One backup: everything is gathered, packed and encrypted beside the place where it is to be, and appears there whole
(rule backup-whole).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.utils.translation import gettext as _

from pbxcerts.backup import archive, encryption
from pbxcerts.backup.encryption import Passphrase, Recipients
from pbxcerts.backup.errors import BackupNotMade
from pbxcerts.backup.gathering import gather
from pbxcerts.backup.manifest import Manifest
from pbxcerts.system.models import General

PACKED = "archive.tar.gz"


@dataclass(frozen=True)
class MadeBackup:
    size: int
    sha256: str
    manifest: Manifest


def refuse_place(target: Path) -> None:
    """Raises BackupNotMade for a place at which a backup would overwrite the product, or be lost with it."""
    place = target.parent.resolve()
    for ours in (settings.DATA, settings.STORE):
        if place.is_relative_to(ours.resolve()):
            raise BackupNotMade(
                _("%(place)s lies in %(ours)s, with which it would be lost: choose another place.")
                % {"place": target, "ours": ours}
            )
    if target.exists() and not target.is_file():
        raise BackupNotMade(_("%(place)s is there already and is no file.") % {"place": target})


def make_file(workplace: Path, target: Path, to: Passphrase | Recipients, now: datetime) -> MadeBackup:
    """A file of mode 0600, which is there whole or not at all. `workplace`: of `one_at_a_time`. Raises BackupError, OSError or
    DatabaseError.
    """
    refuse_place(target)
    # By a name that is always the same, so that what a killed process has left goes; nobody else makes one now.
    staged = target.with_name(f".new-pbxcerts-{General.load().installation}")
    staged.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            made = make(workplace, file, target, to, now)
            with _told_with_place(target):
                os.fsync(file.fileno())
        staged.rename(target)
    except BaseException:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise
    _flush_directory(target.parent)
    return made


def make(workplace: Path, output: BinaryIO, place: Path, to: Passphrase | Recipients, now: datetime) -> MadeBackup:
    """Write one to an open file, which is called `place` where it can't be written. Raises BackupError, OSError or DatabaseError."""
    gathered = gather(workplace, now)
    # In the data directory, where the same stands unencrypted anyway.
    with os.fdopen(os.open(workplace / PACKED, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as packed:
        with _told_with_place(workplace):
            manifest = archive.pack(packed, gathered.manifest, gathered.contents)
            packed.flush()
        packed.seek(0)
        with _told_with_place(place):
            written = encryption.encrypt(packed, output, to)
            output.flush()
    return MadeBackup(written.size, written.sha256, manifest)


@contextmanager
def _told_with_place(place: Path) -> Iterator[None]:
    """The system does not say where a disk is full."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise BackupNotMade(
            _("The backup can't be written to %(place)s: %(reason)s. Nothing was left there; make room, and try again.")
            % {"place": place, "reason": error.strerror or error}
        ) from error


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
