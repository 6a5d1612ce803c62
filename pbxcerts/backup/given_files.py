"""Files that a command is given: by their names, or as descriptors that the caller has opened.

A command of root's goes on as another user (rule as-its-owner), to whom the kernel would refuse `/dev/fd/3` although it is open
already; so that is taken as it is. It lets root hand over what this user may not read, by redirection.
"""

import os
import re
import sys
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from pbxcerts.backup import encryption
from pbxcerts.backup.encryption import LEAST_PASSPHRASE, Identities, Passphrase
from pbxcerts.system.commands import WrongUse

STANDARD = "-"
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})", re.ASCII)
_STANDARD_STREAMS = {"/dev/stdin": "0", "/dev/stdout": "1"}
MOST_OF_A_KEY_FILE = 2**20


def opened(name: str) -> BinaryIO:
    """For reading. Raises OSError."""
    if name == STANDARD:
        return sys.stdin.buffer
    found = _DESCRIPTOR.fullmatch(name)
    number = found[1] if found else _STANDARD_STREAMS.get(name)
    return os.fdopen(os.dup(int(number)), "rb") if number is not None else Path(name).open("rb")


def passphrase(name: str) -> Passphrase:
    """The one line of a file. Raises WrongUse or OSError."""
    try:
        text = _content(name).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if len(text) < LEAST_PASSPHRASE or "\n" in text:
        raise WrongUse(
            _("The passphrase must stand alone in one line of the file, with at least %(count)s characters, in UTF-8.")
            % {"count": LEAST_PASSPHRASE},
            code="value",
        )
    return Passphrase(text)


def identities(name: str) -> Identities:
    """Raises BackupLocked or OSError."""
    return encryption.identities_in(_content(name).decode("utf-8-sig", "replace"))


def _content(name: str) -> bytes:
    with opened(name) as file:
        return file.read(MOST_OF_A_KEY_FILE)
