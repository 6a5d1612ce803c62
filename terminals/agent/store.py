"""The trust store on disk: one PEM file with all anchors, or a directory with a file for each, named by its SHA-256.

The lines before each certificate in a file, and the names of the files in a directory, are its index by fingerprint.
`STORE.served` says which of them was served in the last round, and which are next.
`STORE.changed` is there while the hook is still to run for a change; `STORE.lock` is held during a round
(rule agent-store).
"""

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from terminals.agent.anchors import UNREADABLE, fingerprint, fingerprints, flaw_of_root
from terminals.agent.errors import TrustStoreError
from terminals.agent.succession import KnownSuccession, read_succession

MODE = 0o644
_OURS = re.compile(r"[0-9a-f]{64}\.pem", re.ASCII)


class TrustStore:
    """`is_directory`: a file for each anchor. Files in it that are not named by a fingerprint are left alone and not trusted."""

    def __init__(self, path: Path, *, is_directory: bool = False) -> None:
        self.path = path
        self.is_directory = is_directory

    def load(self) -> list[x509.Certificate]:
        """The anchors; none before the first trust. Raises TrustStoreError where a file is there and cannot be
        understood.
        """
        return [certificate for path in self._files() for certificate in _read(path)]

    def trusted(self) -> list[x509.Certificate]:
        """The anchors of it that may secure a connection (rule agent-trust). Raises TrustStoreError."""
        return [certificate for certificate in self.load() if not flaw_of_root(certificate)]

    def replace(self, anchors: Sequence[x509.Certificate]) -> bool:
        """Hold these and no others; whether that is a change. Raises TrustStoreError."""
        if not anchors:
            raise TrustStoreError("a trust store is never emptied")
        if fingerprints(anchors) == self._readable():
            return False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The mark comes first: a hook that runs once too often is better than one that never runs.
            self._mark.touch()
            if self.is_directory:
                self._replace_files(anchors)
            else:
                _write(self.path, b"".join(map(_with_index, anchors)))
        except OSError as error:
            raise TrustStoreError(f"the trust store cannot be written: {error}") from error
        return True

    def succession(self, held: Iterable[x509.Certificate]) -> KnownSuccession | None:
        """What the last round found; None where there was none with any of these anchors. Raises TrustStoreError where
        a file is there and cannot be understood.
        """
        known = self._written_succession()
        return known if known and known.current & fingerprints(held) else None

    def last_number(self) -> int:
        """The number in what was written down last; 0 where there is none, or none that can be understood."""
        with contextlib.suppress(TrustStoreError):
            known = self._written_succession()
            return known.number if known else 0
        return 0

    def write_succession(self, found: KnownSuccession) -> None:
        """Raises TrustStoreError."""
        if self._is_written(found):
            return
        try:
            _write(self._beside(".served"), found.as_json() + b"\n")
        except OSError as error:
            raise TrustStoreError(f"{self._beside('.served')} cannot be written: {error}") from error

    def forget_succession(self) -> None:
        """Before a first trust. Raises TrustStoreError."""
        try:
            self._beside(".served").unlink(missing_ok=True)
        except OSError as error:
            raise TrustStoreError(f"{self._beside('.served')} cannot be removed: {error}") from error

    def _written_succession(self) -> KnownSuccession | None:
        path = self._beside(".served")
        try:
            return read_succession(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TrustStoreError(
                f"{path} does not say which root was served ({error}): pbxcerts-agent accept CONFIG FINGERPRINT"
                " writes it anew"
            ) from error

    def _is_written(self, found: KnownSuccession) -> bool:
        with contextlib.suppress(TrustStoreError):
            return self._written_succession() == found
        return False

    @property
    def hook_is_due(self) -> bool:
        return self._mark.exists()

    def hook_has_run(self) -> None:
        self._mark.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One round at a time works on a store. Raises TrustStoreError where another program does."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._beside(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise TrustStoreError(f"the trust store cannot be locked: {error}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TrustStoreError("another agent is working on this trust store") from error
            yield
        finally:
            os.close(lock)

    @property
    def _mark(self) -> Path:
        return self._beside(".changed")

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _files(self) -> list[Path]:
        try:
            if self.is_directory:
                return sorted(path for path in self.path.iterdir() if _OURS.fullmatch(path.name))
            return [self.path] if self.path.exists() else []
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TrustStoreError(f"the trust store cannot be read: {error}") from error

    def _readable(self) -> frozenset[str]:
        """What it holds; nothing where it is damaged, so that it is written anew."""
        try:
            return fingerprints(self.load())
        except TrustStoreError:
            return frozenset()

    def _replace_files(self, anchors: Iterable[x509.Certificate]) -> None:
        self.path.mkdir(exist_ok=True)
        wanted = {f"{fingerprint(one)}.pem": one for one in anchors}
        for name, certificate in wanted.items():
            _write(self.path / name, _with_index(certificate))
        for path in self._files():
            if path.name not in wanted:
                path.unlink()
        _sync(self.path)


def _read(path: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
        _ = [certificate.not_valid_after_utc for certificate in found]
    except OSError as error:
        raise TrustStoreError(f"the trust store cannot be read: {error}") from error
    except UNREADABLE as error:
        raise TrustStoreError(f"{path} holds no certificates: {error}") from error
    return found


def _with_index(certificate: x509.Certificate) -> bytes:
    """Text before the certificate is no part of it (RFC 7468 section 5.2)."""
    end = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    return f"# sha256 {fingerprint(certificate)} until {end}\n".encode() + certificate.public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    """Another program sees the old content or the new one, after a loss of power too."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
