"""The seam to the communication server's file system (DESIGN 3.5). Whoever reads it sees a whole set or the one before.

    STORE/generations/0007/   root.pem host.pem host.key fullchain.pem agent.pem root.der host.der   never changed
    STORE/trust/3fb1c2….pem   the trust bundle, named by its hash, never changed
    STORE/current -> generations/0007      one symlink, replaced by rename
    STORE/next -> generations/0008         only while one is prepared or held
    STORE/trust.pem -> trust/3fb1c2….pem   the bundle in force

What is wanted is worked out from the database each time, so publishing can be repeated at any time and heals what was
changed, deleted or left half done.
"""

from __future__ import annotations

import fcntl
import grp
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509

from certificates.pki import formats
from certificates.pki.keys import SecretPem

KEY_FILES = ("host.key", "agent.pem")
DIRECTORY_MODE, KEY_MODE, CERTIFICATE_MODE = 0o700, 0o600, 0o644
GROUP_BITS = {DIRECTORY_MODE: 0o050, KEY_MODE: 0o040}


class StoreError(Exception):
    """The file system refused; the message says what and where.

    StoreError
    └── StoreBusy   another process is publishing at this moment
    """


class StoreBusy(StoreError):
    pass


@dataclass(frozen=True)
class PublishedPair:
    """A pair as it belongs on the file system; without its key once that has been deleted."""

    number: int
    root: x509.Certificate
    host: x509.Certificate
    host_key: SecretPem | None

    @property
    def directory(self) -> str:
        return f"generations/{self.number:04d}"

    def files(self) -> dict[str, bytes]:
        files = {
            "root.pem": formats.pem(self.root),
            "host.pem": formats.pem(self.host),
            "fullchain.pem": formats.fullchain_pem(self.host, self.root),
            "root.der": formats.der(self.root),
            "host.der": formats.der(self.host),
        }
        if self.host_key is not None:
            files["host.key"] = self.host_key.reveal()
            files["agent.pem"] = formats.agent_pem(self.host, self.host_key)
        return files


@dataclass(frozen=True)
class Publication:
    """All that belongs on the file system at one moment. `bundle` holds the certificates of the trust bundle in order.

    `lost`: pairs whose key no key of the list decrypts; what was published of them before is left as it is.
    """

    pairs: tuple[PublishedPair, ...]
    current: int | None
    next: int | None
    bundle: tuple[x509.Certificate, ...]
    lost: tuple[int, ...] = ()

    @cached_property
    def trust_pem(self) -> bytes:
        return formats.pem(*self.bundle)

    @cached_property
    def links(self) -> dict[str, str]:
        """Name and target of each symlink that is to be there."""
        links = {}
        if self.bundle:
            links["trust.pem"] = f"trust/{hashlib.sha256(self.trust_pem).hexdigest()[:16]}.pem"
        if self.next is not None:
            links["next"] = f"generations/{self.next:04d}"
        if self.current is not None:
            links["current"] = f"generations/{self.current:04d}"
        return links


class Store:
    """`group` (a name, may be empty) is given to what is made: a communication server runs as its own user."""

    def __init__(self, path: Path, *, group: str = "") -> None:
        self.path = path
        self.group = group

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Publish alone. The lock goes with the process that holds it, however that ends. Raises StoreBusy."""
        with _refusals(self.path):
            self._make_directory(self.path)
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _refusals(self.path):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise StoreBusy(f"another process is publishing to {self.path}") from None
            yield
        finally:
            os.close(descriptor)

    @property
    def is_busy(self) -> bool:
        """Whether somebody is publishing at this moment: what is read meanwhile may be on its way."""
        try:
            descriptor = os.open(self.path / ".lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def publish(self, wanted: Publication) -> None:
        """Make the file system hold what is wanted: the pairs first, the links last, `current` as the very last.

        Raises StoreError; then `current` still shows what it showed before, unless only what comes after it failed.
        """
        with self._whole():
            self._point(wanted.links, changed=self._put_all(wanted))
            self._forget_keys(keep={*wanted.lost, *(pair.number for pair in wanted.pairs if pair.host_key is not None)})

    def stage(self, wanted: Publication) -> None:
        """Everything of `publish` but the links. Raises StoreError."""
        with self._whole():
            _flush_directories(self._put_all(wanted))

    def differences(self, wanted: Publication) -> list[str]:
        """The paths under the store that are not as wanted; empty when all is well. Raises StoreError."""
        found = []
        with _refusals(self.path):
            for pair in wanted.pairs:
                for name, content in pair.files().items():
                    if not self._is_as_wanted(self.path / pair.directory / name, content):
                        found.append(f"{pair.directory}/{name}")
            if wanted.bundle and not self._is_as_wanted(self.path / wanted.links["trust.pem"], wanted.trust_pem):
                found.append(wanted.links["trust.pem"])
            links = wanted.links
            for name in ("trust.pem", "next", "current"):
                if self.target(name) != links.get(name, ""):
                    found.append(name)
        return found

    def target(self, name: str) -> str:
        """Where a symlink of the store points to, "" where there is none."""
        try:
            return str((self.path / name).readlink())
        except OSError:
            return ""

    @property
    def current(self) -> int | None:
        """The number of the generation that is served."""
        number = self.target("current").removeprefix("generations/")
        return int(number) if number.isdecimal() else None

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A full disk gets back what was half written, and no key lies about while it is tried again."""
        with _refusals(self.path):
            for name in ("", "generations", "trust"):
                self._make_directory(self.path / name)
            self._clear_leftovers()
            try:
                yield
            except (OSError, StoreError):
                with suppress(OSError):
                    self._clear_leftovers()
                raise

    def _clear_leftovers(self) -> None:
        """What a crash left half written, keys among it, under a name that nobody reads."""
        for place in (self.path, self.path / "generations", self.path / "trust"):
            for leftover in [entry for entry in os.scandir(place) if entry.name.startswith(".new-")]:
                if leftover.is_dir(follow_symlinks=False):
                    shutil.rmtree(leftover)
                else:
                    os.unlink(leftover)  # noqa: PTH108 - an entry, no path

    def _put_all(self, wanted: Publication) -> set[Path]:
        """Returns the directories that are to be flushed."""
        changed = {place for pair in wanted.pairs for place in self._put(pair)}
        if wanted.bundle:
            changed |= self._mend(self.path / wanted.links["trust.pem"], wanted.trust_pem)
        return changed

    def _put(self, pair: PublishedPair) -> set[Path]:
        """A directory appears whole, by one rename. One that is there is mended file by file, each by a rename.

        Returns the directories that are to be flushed.
        """
        place = self.path / pair.directory
        files = pair.files()
        if place.is_dir() and not place.is_symlink():
            self._make_directory(place)
            return {changed for name, content in files.items() for changed in self._mend(place / name, content)}
        staged = place.with_name(f".new-{place.name}")
        staged.mkdir(mode=DIRECTORY_MODE)
        self._give(staged, DIRECTORY_MODE)
        with ExitStack() as flushes:
            # All are written before the first is flushed: the file system then has less to do for each.
            for name, content in files.items():
                flushes.enter_context(self._written(staged / name, content, _file_mode(place / name)))
        _flush_directories({staged})
        staged.rename(place)
        return {place.parent}

    def _mend(self, place: Path, content: bytes) -> set[Path]:
        """Returns the directory that is to be flushed, or nothing."""
        if self._is_as_wanted(place, content):
            return set()
        # Where leftovers are looked for, and not in one of a thousand directories.
        staged = self.path / place.relative_to(self.path).parts[0] / f".new-{place.name}"
        with self._written(staged, content, _file_mode(place)):
            pass
        staged.rename(place)
        return {place.parent}

    @contextmanager
    def _written(self, place: Path, content: bytes, mode: int) -> Iterator[None]:
        """A new file, flushed at the end."""
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_MODE)
        with os.fdopen(descriptor, "wb") as handle:
            self._give(descriptor, mode)
            handle.write(content)
            handle.flush()
            yield
            os.fsync(descriptor)

    def _is_as_wanted(self, place: Path, content: bytes) -> bool:
        """A file of this content that nobody can read who must not, and everybody who must."""
        try:
            found = place.lstat()
            return (
                stat.S_ISREG(found.st_mode)
                and stat.S_IMODE(found.st_mode) == self._mode(_file_mode(place))
                and self._gid in {None, found.st_gid}
                and place.read_bytes() == content
            )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _point(self, links: Mapping[str, str], changed: set[Path]) -> None:
        """Let the links show what is on the disk, and drop `next` where it is not wanted."""
        lost = [target for target in links.values() if not (self.path / target).exists()]
        moved = {name: target for name, target in links.items() if target not in {*lost, self.target(name)}}
        # Also what a process that was killed had renamed and not yet flushed: no link may outlive what it points to.
        _flush_directories(changed | {(self.path / target).parent for target in moved.values()})
        for name, target in moved.items():
            staged = self.path / f".new-{name}"
            staged.symlink_to(target)
            staged.rename(self.path / name)
        if dropped := "next" not in links and bool(self.target("next")):
            (self.path / "next").unlink()
        if moved or dropped:
            _flush_directories({self.path})
        if lost:
            raise StoreError(f"{self.path / lost[0]}: not there, and its host key cannot be decrypted")

    def _forget_keys(self, *, keep: set[int]) -> None:
        """No key stays of a pair that has ended, was discarded or withdrawn, unless it is served."""
        needed = {f"{number:04d}" for number in {*keep, self.current} if number is not None}
        for directory in (self.path / "generations").iterdir():
            if directory.name.isdecimal() and directory.name not in needed:
                for name in KEY_FILES:
                    with suppress(FileNotFoundError, NotADirectoryError):
                        (directory / name).unlink()

    def _make_directory(self, place: Path) -> None:
        """One that is there is left as it is, but gets the group where it was made before there was one."""
        if not place.is_dir():
            place.mkdir(mode=DIRECTORY_MODE, parents=True)
            self._give(place, DIRECTORY_MODE)
            _flush_directories({place.parent})
        elif self._gid is not None and stat.S_IMODE(place.stat().st_mode) == DIRECTORY_MODE:
            self._give(place, DIRECTORY_MODE)

    def _give(self, place: Path | int, mode: int) -> None:
        """The group, where one is set, may read what only the owner may otherwise."""
        if self._gid is not None:
            try:
                os.chown(place, -1, self._gid)
            except PermissionError:
                raise StoreError(f"the group {self.group} of PBXCERTS_STORE_GROUP is not ours to give") from None
        os.chmod(place, self._mode(mode))  # noqa: PTH101 - also of a descriptor

    def _mode(self, mode: int) -> int:
        return mode | GROUP_BITS.get(mode, 0) if self.group else mode

    @cached_property
    def _gid(self) -> int | None:
        if not self.group:
            return None
        try:
            return grp.getgrnam(self.group).gr_gid
        except KeyError:
            raise StoreError(f"the group {self.group} of PBXCERTS_STORE_GROUP is unknown here") from None


def _file_mode(place: Path) -> int:
    return KEY_MODE if place.name in KEY_FILES else CERTIFICATE_MODE


def _flush_directories(places: set[Path]) -> None:
    for place in places:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Of a rename the second name: what lies in the way has the name that the administrator knows.
        named = [name for name in (error.filename2, error.filename) if isinstance(name, str | os.PathLike)]
        raise StoreError(f"{named[0] if named else path}: {error.strerror}") from error
