"""A passphrase in the age format (https://age-encryption.org/v1, "scrypt recipient stanza" and "payload").

Not by pyrage, which holds all of it in memory, and which refuses at a restore what this machine would take long for: it measures
its speed anew each time, so that a backup would not open on a slower machine, or on one that is busy.
"""

import base64
import binascii
import hmac
import io
import os
import re
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.utils.translation import gettext as _

from pbxcerts.backup.errors import BackupDamaged, BackupLocked

VERSION = b"age-encryption.org/v1\n"
WORK = 18
"""Binary logarithm of scrypt's N, as age has it: about a second, and 256 MB of memory."""
MOST_WORK = 20
CHUNK = 2**16
_TAG = 16
_STANZA = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n")
_LONGEST_LINE = 200


def encrypt(plain: BinaryIO, backup: BinaryIO | io.RawIOBase, passphrase: str) -> None:
    """Raises OSError."""
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapped = ChaCha20Poly1305(_wrap_key(passphrase, salt, WORK)).encrypt(bytes(12), file_key, None)
    header = VERSION + b"-> scrypt %b %d\n%b\n---" % (_base64(salt), WORK, _base64(wrapped))
    backup.write(header + b" " + _base64(_mac(file_key, header)) + b"\n" + nonce)
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    for number, (chunk, is_last) in enumerate(_chunks(plain, CHUNK)):
        backup.write(cipher.encrypt(_nonce(number, is_last=is_last), chunk, None))


def decrypt(backup: BinaryIO, plain: BinaryIO, passphrase: str) -> None:
    """What stands in `plain` counts only when this returns. Raises OSError, BackupLocked or BackupDamaged."""
    version, stanza, body, end = (backup.readline(_LONGEST_LINE) for _line in range(4))
    found = _STANZA.fullmatch(stanza)
    if version != VERSION or not stanza.startswith(b"-> "):
        _refuse_beginning()
    if not stanza.startswith(b"-> scrypt "):
        raise BackupLocked(_("The backup was not made with a passphrase but for keys: open it with --identity."))
    if found is None or not end.startswith(b"--- "):
        _refuse_beginning()
    work = int(found[2])
    if work > MOST_WORK:
        raise BackupLocked(
            _("Opening the backup would take too much memory: it was not made by pbxcerts, or was changed.")
        )
    wrap_key = _wrap_key(passphrase, _from_base64(found[1]), work)
    try:
        file_key = ChaCha20Poly1305(wrap_key).decrypt(bytes(12), _from_base64(body.removesuffix(b"\n")), None)
    except InvalidTag:
        raise BackupLocked(_("The passphrase is wrong, or the beginning of the backup was changed.")) from None
    mac = _from_base64(end.removeprefix(b"--- ").removesuffix(b"\n"))
    nonce = backup.read(16)
    if len(nonce) < 16 or not hmac.compare_digest(mac, _mac(file_key, version + stanza + body + b"---")):
        _refuse_beginning()
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    for number, (chunk, is_last) in enumerate(_chunks(backup, CHUNK + _TAG)):
        try:
            opened = cipher.decrypt(_nonce(number, is_last=is_last), chunk, None)
        except InvalidTag:
            opened = None
        # Only what is empty from its beginning ends with an empty chunk.
        if opened is None or (not opened and number):
            raise BackupDamaged(_("The backup was cut off or changed: it does not open to its end. Take another one."))
        plain.write(opened)


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """At least one; each with whether it is the last."""
    chunk = _read(file, size)
    while following := _read(file, size):
        yield chunk, False
        chunk = following
    yield chunk, True


def _read(file: BinaryIO, size: int) -> bytes:
    """So much, unless the file ends: a pipe gives less at a time."""
    parts, left = [], size
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _wrap_key(passphrase: str, salt: bytes, work: int) -> bytes:
    return Scrypt(salt=b"age-encryption.org/v1/scrypt" + salt, length=32, n=2**work, r=8, p=1).derive(
        passphrase.encode()
    )


def _derived(file_key: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derived(file_key, None, b"header"), header, "sha256")


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _base64(octets: bytes) -> bytes:
    return base64.b64encode(octets).rstrip(b"=")


def _from_base64(text: bytes) -> bytes:
    """Without padding, and in the one way in which it is written."""
    try:
        octets = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        _refuse_beginning()
    if _base64(octets) != text:
        _refuse_beginning()
    return octets


def _refuse_beginning() -> NoReturn:
    raise BackupDamaged(_("The file is no backup, or its beginning was cut off or changed."))
