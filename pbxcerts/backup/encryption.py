"""The seam to the age format (https://age-encryption.org/v1): a backup is one age file, which the tool `age` opens too.

pyrage is imported here alone, and only when something is encrypted, decrypted or judged: no process that runs all the time
holds it.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.translation import gettext as _

from pbxcerts.backup import passphrase
from pbxcerts.backup.errors import BackupDamaged, BackupError, BackupLocked

LEAST_PASSPHRASE = 12
"""Characters. Whoever finds the file can try passphrases for as long as he likes."""


@dataclass(frozen=True, repr=False)
class Passphrase:
    text: str


@dataclass(frozen=True)
class Recipients:
    """Public keys, as `age-keygen` prints them ("age1…"). Whoever holds one of the private keys opens the backup."""

    keys: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Identities:
    """Private keys ("AGE-SECRET-KEY-1…")."""

    keys: tuple[str, ...]


class Measured(io.RawIOBase):
    """A file that is read or written, with its size and SHA-256 so far. It keeps the error of the system, of which pyrage only
    hands on the words.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.failure: OSError | None = None

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            octets = self._file.read(size)
        except OSError as error:
            self.failure = error
            raise
        self._count(octets)
        return octets

    def write(self, octets: bytes) -> int:  # type: ignore[override]
        try:
            self._file.write(octets)
        except OSError as error:
            self.failure = error
            raise
        self._count(octets)
        return len(octets)

    def flush(self) -> None:
        if not self.closed:
            self._file.flush()

    def _count(self, octets: bytes) -> None:
        self._digest.update(octets)
        self.size += len(octets)


def identities_in(text: str) -> Identities:
    """The keys of a file as `age-keygen` writes it: one a line, with comments. Raises BackupLocked."""
    import pyrage

    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    try:
        for key in keys:
            pyrage.x25519.Identity.from_str(key)
    except pyrage.IdentityError:
        keys = ()
    if not keys:
        raise BackupLocked(
            _(
                "What is given with --identity is no file of private keys as age-keygen writes it (AGE-SECRET-KEY-1…, one a line)."
                " If it has a passphrase itself, decrypt it with “age -d” first."
            )
        )
    return Identities(keys)


def encrypt(plain: BinaryIO, backup: BinaryIO, to: Passphrase | Recipients) -> Measured:
    """Returns what was written. Raises OSError."""
    target = Measured(backup)
    if isinstance(to, Passphrase):
        passphrase.encrypt(plain, target, to.text)
        return target
    import pyrage

    source = Measured(plain)
    recipients: Sequence[pyrage.x25519.Recipient] = [pyrage.x25519.Recipient.from_str(key) for key in to.keys]
    try:
        pyrage.encrypt_io(source, target, recipients)
    except (pyrage.EncryptError, OSError):
        if failure := target.failure or source.failure:
            raise failure from None
        raise
    return target


def decrypt(backup: BinaryIO, plain: BinaryIO, by: Passphrase | Identities) -> None:
    """What stands in `plain` counts only when this returns. Raises OSError, BackupLocked or BackupDamaged."""
    if isinstance(by, Passphrase):
        passphrase.decrypt(backup, plain, by.text)
        return
    import pyrage

    source, target = Measured(backup), Measured(plain)
    try:
        pyrage.decrypt_io(source, target, [pyrage.x25519.Identity.from_str(key) for key in by.keys])
    except (pyrage.DecryptError, OSError) as error:
        if failure := target.failure or source.failure:
            raise failure from None
        raise _refusal(str(error)) from None


def _refusal(said: str) -> BackupError:
    """pyrage tells its errors apart by their words alone."""
    match said:
        case "No matching keys found":
            return BackupLocked(
                _(
                    "None of the keys given with --identity opens the backup: it was made for others, or with a passphrase"
                    " (--passphrase-file), or its beginning was changed."
                )
            )
        case "Header is invalid" | "Header MAC is invalid" | "Incomplete header" | "failed to fill whole buffer":
            return BackupDamaged(_("The file is no backup, or its beginning was cut off or changed."))
        case _:
            return BackupDamaged(_("The backup was cut off or changed: it does not open to its end. Take another one."))
