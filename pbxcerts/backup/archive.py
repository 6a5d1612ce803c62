"""The archive in a backup: a compressed tar of regular files, the manifest first, which `tar` unpacks too."""

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO, NoReturn

from django.utils.translation import gettext as _

from pbxcerts.backup.errors import BackupDamaged
from pbxcerts.backup.manifest import MANIFEST, MOST_OCTETS, FileEntry, Manifest
from pbxcerts.system import files

_BLOCK = 2**20
Contents = Mapping[str, bytes | Path]
"""By the names in the archive: what was read already, or a file that nobody changes meanwhile."""


def pack(archive: BinaryIO, manifest: Manifest, contents: Contents) -> Manifest:
    """Write the archive; returns the manifest as it stands in it, with sizes and hashes. Raises OSError."""
    entries = {name: _entry_of(content) for name, content in sorted(contents.items())}
    whole = replace(manifest, files=entries)
    made_at = int(manifest.made_at.timestamp())
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", compresslevel=6, mtime=made_at, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in [(MANIFEST, whole.content()), *((name, contents[name]) for name in entries)]:
            member = tarfile.TarInfo(name)
            member.mode, member.mtime = 0o600, made_at
            with _opened(content) as file:
                member.size = len(content) if isinstance(content, bytes) else entries[name].size
                tar.addfile(member, file)
    return whole


def unpack(archive: BinaryIO, directory: Path, *, accept: Callable[[Manifest], None]) -> Manifest:
    """Write every file of the archive below `directory`, and compare it with the manifest. `accept` is shown that before
    anything is written, and raises where it can't be restored here. Raises BackupDamaged or OSError.
    """
    with _told_as_damaged(), gzip.GzipFile(fileobj=archive, mode="rb") as packed:
        with tarfile.open(fileobj=_Bounded(packed), mode="r:") as tar:
            members = iter(tar)
            manifest = Manifest.read(_read_manifest(tar, next(members, None)))
            accept(manifest)
            missing = dict(manifest.files)
            for member in members:
                entry = missing.pop(member.name, None)
                if entry is None or not _is_plain(member) or member.size != entry.size:
                    _refuse(member.name)
                _write(tar.extractfile(member), directory / member.name, member.name, entry)
        if missing:
            _refuse(min(missing))
        # To the end, where the check sum of the compression stands; what else is there is not looked at for ever.
        packed.read(MOST_OCTETS)
    return manifest


class _Bounded(io.RawIOBase):
    """Lets nobody read more at once than a manifest may have: the length of a header is written by whoever made the archive, and
    would have to be held in memory.
    """

    def __init__(self, file: gzip.GzipFile) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_OCTETS:
            raise tarfile.ReadError("too much at once")
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(place, whence)

    def seekable(self) -> bool:
        return True


def _is_plain(member: tarfile.TarInfo) -> bool:
    """A file whose content stands behind its header: no link, no device, no sparse file."""
    return member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse()


def _entry_of(content: bytes | Path) -> FileEntry:
    with _opened(content) as file:
        digest, size = hashlib.sha256(), 0
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileEntry(size, digest.hexdigest())


@contextmanager
def _opened(content: bytes | Path) -> Iterator[BinaryIO]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        yield file


def _read_manifest(tar: tarfile.TarFile, first: tarfile.TarInfo | None) -> bytes:
    if first is None or first.name != MANIFEST or not _is_plain(first) or first.size > MOST_OCTETS:
        _refuse(MANIFEST)
    file = tar.extractfile(first)
    return file.read(first.size) if file is not None else b""


def _write(source: IO[bytes] | None, target: Path, name: str, entry: FileEntry) -> None:
    """A new file of mode 0600, flushed to the disk."""
    files.make_directory(target.parent)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        while source is not None and (block := source.read(_BLOCK)):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != entry.sha256:
        _refuse(name)


def _refuse(name: str) -> NoReturn:
    shown = "".join(character if character.isprintable() else "?" for character in name[:100])
    raise BackupDamaged(
        _("“%(name)s” in the backup is missing or is not what its list of contents says. Take another backup.")
        % {"name": shown}
    )


@contextmanager
def _told_as_damaged() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, UnicodeError, ValueError) as error:
        raise BackupDamaged(
            _("What is in the backup is no archive of pbxcerts, or was cut off. Take another backup.")
        ) from error
