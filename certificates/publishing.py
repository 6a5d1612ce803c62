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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from certificates.pki import formats
from certificates.pki.errors import UnreadableError
from certificates.pki.keys import SecretPem, load

KEY_FILES = ("host.key", "agent.pem")


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
    """All that belongs on the file system at one moment. `bundle` holds the certificates of the trust bundle in order."""

    pairs: tuple[PublishedPair, ...]
    current: int | None
    next: int | None
    bundle: tuple[x509.Certificate, ...]

    @property
    def trust_pem(self) -> bytes:
        return formats.pem(*self.bundle)

    @property
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
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreBusy(f"another process is publishing to {self.path}") from None
            yield
        finally:
            os.close(descriptor)

    def publish(self, wanted: Publication) -> None:
        """Make the file system hold what is wanted: the pairs first, the links last, `current` as the very last.

        Raises StoreError; then the links still show what they showed before.
        """
        with _refusals(self.path):
            for name in ("generations", "trust"):
                self._make_directory(self.path / name)
            self._clear_leftovers()
            for pair in wanted.pairs:
                self._put(pair)
            if wanted.bundle:
                self._write(self.path / wanted.links["trust.pem"], wanted.trust_pem)
            for name, target in wanted.links.items():
                self._point(name, target)
            if wanted.next is None:
                (self.path / "next").unlink(missing_ok=True)
            self._forget_keys(keep={pair.number for pair in wanted.pairs if pair.host_key is not None})

    def differences(self, wanted: Publication) -> list[str]:
        """The paths under the store that are not as wanted; empty when all is well. Raises StoreError."""
        found = []
        with _refusals(self.path):
            for pair in wanted.pairs:
                for name, content in pair.files().items():
                    if not _holds(self.path / pair.directory / name, content):
                        found.append(f"{pair.directory}/{name}")
            if wanted.bundle and not _holds(self.path / wanted.links["trust.pem"], wanted.trust_pem):
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

    def _clear_leftovers(self) -> None:
        """What a crash left half written, keys among it, under a name that nobody reads."""
        for leftover in [
            *self.path.glob(".new-*"),
            *self.path.glob("*/.new-*"),
            *self.path.glob("generations/*/.new-*"),
        ]:
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    def _put(self, pair: PublishedPair) -> None:
        """A directory appears whole, by one rename. One that is there is mended file by file, each by a rename."""
        place = self.path / pair.directory
        files = pair.files()
        if place.is_dir():
            for name, content in files.items():
                self._write(place / name, content)
            return
        staged = Path(tempfile.mkdtemp(prefix=".new-", dir=self.path))
        self._give(staged, 0o700)
        for name, content in files.items():
            self._write(staged / name, content)
        _flush_directory(staged)
        staged.rename(place)
        _flush_directory(place.parent)

    def _write(self, place: Path, content: bytes) -> None:
        if _holds(place, content):
            return
        mode = 0o600 if place.name in KEY_FILES else 0o644
        staged = place.with_name(f".new-{place.name}")
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            self._give(descriptor, mode)
            handle.write(content)
            handle.flush()
            os.fsync(descriptor)
        staged.rename(place)
        if not place.parent.name.startswith(".new-"):
            _flush_directory(place.parent)

    def _point(self, name: str, target: str) -> None:
        if self.target(name) == target:
            return
        staged = self.path / f".new-{name}"
        staged.symlink_to(target)
        staged.rename(self.path / name)
        _flush_directory(self.path)

    def _forget_keys(self, *, keep: set[int]) -> None:
        """No key stays of a pair that has ended, was discarded or withdrawn, unless it is served."""
        for directory in (self.path / "generations").iterdir():
            number = int(directory.name) if directory.name.isdecimal() else None
            if number is None or number in keep or number == self.current:
                continue
            for name in KEY_FILES:
                with suppress(FileNotFoundError):
                    (directory / name).unlink()

    def _make_directory(self, place: Path) -> None:
        if not place.is_dir():
            place.mkdir(mode=0o700, parents=True)
            self._give(place, 0o700)
            _flush_directory(place.parent)

    def _give(self, place: Path | int, mode: int) -> None:
        """The group, where one is set, may read what only the owner may otherwise."""
        if self.group:
            try:
                group = grp.getgrnam(self.group).gr_gid
            except KeyError:
                raise StoreError(f"the group {self.group} of PBXCERTS_STORE_GROUP is unknown here") from None
            os.chown(place, -1, group)
            mode |= {0o700: 0o050, 0o600: 0o040}.get(mode, 0)
        os.chmod(place, mode)  # noqa: PTH101 - also of a descriptor


def key_matches(pair: PublishedPair, store: Store) -> bool:
    """Whether the published key belongs to the published certificate: read back, not believed."""
    try:
        key = load(SecretPem((store.path / pair.directory / "host.key").read_bytes()))
    except (OSError, UnreadableError):
        return False
    return key.public_key() == pair.host.public_key()


def _holds(place: Path, content: bytes) -> bool:
    try:
        return place.read_bytes() == content
    except (FileNotFoundError, NotADirectoryError):
        return False


def _flush_directory(place: Path) -> None:
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
        raise StoreError(f"{error.filename or path}: {error.strerror}") from error
