"""The seam to the communication server's file system (rules store-layout, store-modes, written-whole, database-first)."""

import fcntl
import grp
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from cryptography import x509
from django.utils.translation import gettext as _

from certificates.communication_server import found
from certificates.communication_server.errors import NoPair, StoreBusy, StoreError
from certificates.communication_server.flattened import make_way
from certificates.communication_server.found import FoundPair
from certificates.communication_server.mark import StoreMark
from certificates.communication_server.publication import Publication, PublishedPair

MARK = "mark.json"
KEY_FILES = ("host.key", "agent.pem")
DIRECTORY_MODE, KEY_MODE, CERTIFICATE_MODE = 0o700, 0o600, 0o644
GROUP_BITS = {DIRECTORY_MODE: 0o050, KEY_MODE: 0o040}


class Store:
    """The directory that the communication server reads. `group` (a name, may be empty) is given to everything in it,
    because a communication server runs as its own user.
    """

    def __init__(self, path: Path, *, group: str = "") -> None:
        self.path = path
        self.group = group

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the store, so that no other process publishes (rule one-publisher). Raises StoreBusy."""
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
        """Whether a process is publishing at this moment. Files that are read meanwhile may be about to change."""
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

    def publish(self, wanted: Publication, mark: StoreMark | None = None) -> None:
        """Make the file system hold what is wanted: first the pairs, then the mark, then the links, `current` as the very
        last. Raises StoreError. `current` then points where it did before, unless only a step after it failed.
        """
        with self._whole():
            changed = self._put_all(wanted)
            if mark is not None:
                # What a link shows is never newer than the mark: else a database of before would take it for its own.
                changed |= self._mend(self.path / MARK, replace(mark, links=wanted.links).content())
            self._point(wanted.links, changed=changed)
            self._forget_keys(keep={*wanted.lost, *(pair.number for pair in wanted.pairs if pair.host_key is not None)})

    def stage(self, wanted: Publication) -> None:
        """Do all of `publish` except for the links. Raises StoreError."""
        with self._whole():
            _flush_directories(self._put_all(wanted))

    def differences(self, wanted: Publication) -> list[str]:
        """The paths under the store that are not as wanted; empty when all is well. Raises StoreError."""
        differing = []
        with _refusals(self.path):
            for pair in wanted.pairs:
                for name, content in pair.files.items():
                    if not self._is_as_wanted(f"{self.path}/{pair.directory}/{name}", content):
                        differing.append(f"{pair.directory}/{name}")
            if wanted.bundle and not self._is_as_wanted(f"{self.path}/{wanted.links['trust.pem']}", wanted.trust_pem):
                differing.append(wanted.links["trust.pem"])
            for name in ("trust.pem", "next", "current"):
                target = self.target(name)
                if target != wanted.links.get(name, "") or (not target and self.holds(name)):
                    differing.append(name)
        return differing

    def wide_modes(self, wanted: Publication) -> list[str]:
        """What others may read or write although rule store-modes does not say so, each with its mode. It is told and left:
        an access list that the administrator made for the server may look like that.
        """
        wide = []
        with _refusals(self.path):
            for name in ("generations", "trust", *(pair.directory for pair in wanted.pairs)):
                if (mode := self._mode_of(name)) & 0o022:
                    wide.append(f"{name} ({mode:04o})")
            files = [f"{pair.directory}/{name}" for pair in wanted.pairs for name in pair.files]
            for name in [*files, *filter(None, [wanted.links.get("trust.pem")]), MARK]:
                if (mode := self._mode_of(name)) & ~self._mode(_file_mode(name)):
                    wide.append(f"{name} ({mode:04o})")
        return wide

    def _mode_of(self, name: str) -> int:
        try:
            return stat.S_IMODE(os.lstat(f"{self.path}/{name}").st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return 0

    # -- what stands there, whoever has put it there -------------------------------------------------------------------

    def mark(self) -> StoreMark | None:
        """Who writes the store; None where nothing says it. Raises NoMark, or StoreError where it can't be read at all."""
        with _refusals(self.path):
            try:
                return StoreMark.read((self.path / MARK).read_bytes())
            except FileNotFoundError:
                return None

    def write_mark(self, mark: StoreMark) -> None:
        """Say who writes the store, and change nothing else. Raises StoreError."""
        with self._whole():
            _flush_directories(self._mend(self.path / MARK, mark.content()))

    def holds(self, name: str) -> bool:
        """Whether anything has this name in the store, be it a link that leads nowhere."""
        return os.path.lexists(f"{self.path}/{name}")

    def found_pair(self, name: str) -> FoundPair:
        """The pair that a link leads to, also where a restore has put a directory in its place. Raises NoPair."""
        pair = found.read_pair(self.path / name)
        directories = [self.target(name)] if self.target(name) else self.directories_with_key()
        for directory in directories:
            number = directory.removeprefix("generations/")
            if number.isascii() and number.isdecimal() and self.found_host(directory) == pair.host:
                return replace(pair, number=int(number))
        return pair

    def found_host(self, name: str) -> x509.Certificate | None:
        """The host certificate that a link leads to, or of a directory of a pair; None where that can't be read."""
        try:
            return found.read_certificate(self.path / name / "host.pem")
        except NoPair:
            return None

    def found_bundle(self) -> frozenset[str]:
        """The SHA-256 of the certificates in the trust bundle."""
        return found.read_bundle(self.path / "trust.pem")

    def directories_with_key(self) -> list[str]:
        """The directories of pairs that hold a host key."""
        return sorted(f"generations/{file.parent.name}" for file in self.path.glob("generations/*/host.key"))

    def highest_number(self) -> int:
        """Of the directories of pairs; 0 where there is none."""
        names = [place.name for place in self.path.glob("generations/*")]
        return max((int(name) for name in names if name.isascii() and name.isdecimal()), default=0)

    def target(self, name: str) -> str:
        """Where a symlink of the store points to, "" where there is none."""
        try:
            return os.readlink(f"{self.path}/{name}")  # noqa: PTH115 - a text, no path
        except OSError:
            return ""

    @property
    def current(self) -> int | None:
        """The number of the generation that is served."""
        number = self.target("current").removeprefix("generations/")
        return int(number) if number.isdecimal() else None

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Make the directories, and remove what is half written where writing fails: a full disk gets its space back,
        and no key lies about until the next try.
        """
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
        """Remove what a crash left half written under a name that nobody reads. There may be keys among it."""
        for place in (self.path, self.path / "generations", self.path / "trust"):
            for leftover in [entry for entry in os.scandir(place) if entry.name.startswith(".new-")]:
                if leftover.is_dir(follow_symlinks=False):
                    shutil.rmtree(leftover)
                else:
                    os.unlink(leftover)  # noqa: PTH108 - an entry, no path

    def _put_all(self, wanted: Publication) -> set[Path]:
        """Write the files of every pair and the trust bundle. Returns the directories that are to be flushed."""
        changed = {place for pair in wanted.pairs for place in self._put(pair)}
        if wanted.bundle:
            changed |= self._mend(self.path / wanted.links["trust.pem"], wanted.trust_pem)
        return changed

    def _put(self, pair: PublishedPair) -> set[Path]:
        """Write the directory of a pair. A new directory appears whole, by one rename; in one that exists each file is
        mended by a rename of its own. Returns the directories that are to be flushed.
        """
        place = self.path / pair.directory
        files = pair.files
        if place.is_dir() and not place.is_symlink():
            self._make_directory(place)
            return {changed for name, content in files.items() for changed in self._mend(place / name, content)}
        staged = place.with_name(f".new-{place.name}")
        staged.mkdir(mode=DIRECTORY_MODE)
        self._give(staged, DIRECTORY_MODE)
        with ExitStack() as flushes:
            # All are written before the first is flushed: the file system then has less to do for each.
            for name, content in files.items():
                flushes.enter_context(self._written(staged / name, content, _file_mode(name)))
        _flush_directories({staged})
        staged.rename(place)
        return {place.parent}

    def _mend(self, place: Path, content: bytes) -> set[Path]:
        """Replace a file that is not as wanted. Returns its directory, which is to be flushed, or nothing."""
        if self._is_as_wanted(place, content):
            return set()
        # Where leftovers are looked for, and not in one of a thousand directories.
        *above, _name = place.relative_to(self.path).parts
        staged = self.path.joinpath(*above[:1]) / f".new-{place.name}"
        with self._written(staged, content, _file_mode(place.name)):
            pass
        staged.rename(place)
        return {place.parent}

    @contextmanager
    def _written(self, place: Path, content: bytes, mode: int) -> Iterator[None]:
        """Write a new file, and flush it when the context ends."""
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_MODE)
        with os.fdopen(descriptor, "wb") as handle:
            self._give(descriptor, mode)
            handle.write(content)
            handle.flush()
            yield
            os.fsync(descriptor)

    def _is_as_wanted(self, place: Path | str, content: bytes) -> bool:
        """Whether the file has this content, and the mode and group by which those can read it who may (`wide_modes`). Every page
        asks this of every file: to make a path of each name takes longer than to read the file.
        """
        wanted_mode = self._mode(_file_mode(str(place)))
        try:
            there = os.lstat(place)
            if (
                not stat.S_ISREG(there.st_mode)
                or there.st_mode & wanted_mode != wanted_mode
                or self._gid not in {None, there.st_gid}
            ):
                return False
            with open(place, "rb") as file:  # noqa: PTH123 - the same
                return file.read() == content
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _point(self, links: Mapping[str, str], changed: set[Path]) -> None:
        """Let each link point to what is wanted, and remove `next` where it is not wanted. Raises StoreError where the
        target of a link is not on the disk.
        """
        lost = [target for target in links.values() if not (self.path / target).exists()]
        moved = {name: target for name, target in links.items() if target not in {*lost, self.target(name)}}
        # Also what a process that was killed had renamed and not yet flushed: no link may outlive what it points to.
        _flush_directories(changed | {(self.path / target).parent for target in moved.values()})
        for name, target in moved.items():
            self._link(self.path / name, target)
        if dropped := "next" not in links and self.holds("next"):
            if (self.path / "next").is_dir() and not self.target("next"):
                make_way(self.path / "next")
            else:
                (self.path / "next").unlink()
        if moved or dropped:
            _flush_directories({self.path})
        if lost:
            raise StoreError(
                _("%(place)s: not there, and its host key can't be decrypted") % {"place": self.path / lost[0]}
            )

    def _link(self, place: Path, target: str) -> None:
        if place.is_dir() and not place.is_symlink():
            make_way(place, link_to=target)
            return
        staged = self.path / f".new-{place.name}"
        staged.symlink_to(target)
        staged.rename(place)

    def _forget_keys(self, *, keep: set[int]) -> None:
        """Delete the key files of every pair except for those to keep and the one that is served (rule key-deleted)."""
        needed = {f"{number:04d}" for number in {*keep, self.current} if number is not None}
        for directory in (self.path / "generations").iterdir():
            if directory.name.isdecimal() and directory.name not in needed:
                for name in KEY_FILES:
                    with suppress(FileNotFoundError, NotADirectoryError):
                        (directory / name).unlink()

    def _make_directory(self, place: Path) -> None:
        """Make a directory where there is none. One that exists stays as it is, but gets the group where it was made
        before there was one.
        """
        if not place.is_dir():
            place.mkdir(mode=DIRECTORY_MODE, parents=True)
            self._give(place, DIRECTORY_MODE)
            _flush_directories({place.parent})
        elif self._gid is not None and stat.S_IMODE(place.stat().st_mode) == DIRECTORY_MODE:
            self._give(place, DIRECTORY_MODE)

    def _give(self, place: Path | int, mode: int) -> None:
        """Set mode and group: where there is a group, it may read what otherwise only the owner may."""
        if self._gid is not None:
            try:
                os.chown(place, -1, self._gid)
            except PermissionError:
                raise StoreError(
                    _("the group %(group)s of PBXCERTS_STORE_GROUP is not ours to give") % {"group": self.group}
                ) from None
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
            raise StoreError(
                _("the group %(group)s of PBXCERTS_STORE_GROUP is unknown here") % {"group": self.group}
            ) from None


def _file_mode(name: str) -> int:
    return KEY_MODE if name.endswith(KEY_FILES) else CERTIFICATE_MODE


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
        # The error of a rename has two names; the administrator knows the second, that of what lies in the way.
        named = [name for name in (error.filename2, error.filename) if isinstance(name, str | os.PathLike)]
        raise StoreError(f"{named[0] if named else path}: {error.strerror}") from error
