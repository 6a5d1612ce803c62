"""Sites with a configuration server of their own: one marked block in the files of a folder (DESIGN 3.7).

The block names the trust file with its full URL at pbxcerts, so that the fetch is seen. Of each file only the block is changed,
by one rename, with mode and owner as they were. What a person has edited is left alone and told.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import Kind, Notice
from pbxcerts.system.models import Severity
from terminals.drivers.base import Method
from terminals.drivers.mitel_configuration import (
    BEGIN,
    END,
    BlockError,
    ConfigurationCode,
    Tls,
    mac_of,
    parameters,
    with_block,
)
from terminals.web.mitel import trust_path
from terminals.web.snapshot import Snapshot

NAMED_AT_MOST = 20

BLOCK_EDITED = Kind(
    "configuration_block_edited",
    Severity.SERIOUS,
    _(
        "The block of pbxcerts in these configuration files is not as it was left; nothing is written to them: %(files)s."
    ),
    cleared=_("The blocks of pbxcerts in the configuration files are in order."),
    hint=_("Delete the block with both its marks; it is written anew within a minute."),
)
FILES_REFUSED = Kind(
    "configuration_files_refused",
    Severity.SERIOUS,
    _("Configuration files that cannot be written: %(files)s. The reason of the first: %(reason)s."),
    cleared=_("All configuration files can be written."),
)
NO_OWN_NAME = Kind(
    "configuration_folder_without_name",
    Severity.SERIOUS,
    _("The configuration files cannot name the trust file: nobody has said under which name terminals reach pbxcerts."),
    cleared=_("It is known under which name terminals reach pbxcerts."),
    hint=_("Enter a name or an address under System / General."),
)


class Refused(Exception):
    """This file is not written; the text is the operating system's, or says what kind of file it is."""


class Changed(Exception):
    """Somebody has just written it: it is looked at again with the next heartbeat."""


def keep(snapshot: Snapshot, folder: Path, *, port: int) -> list[Notice]:
    """Give the files of known terminals their block; returns what a person should know. `port` is the HTTPS listener's."""
    wanted = _wanted(snapshot, port)
    if not wanted:
        return []
    if not snapshot.own_host:
        return [Notice(NO_OWN_NAME)]
    edited: list[str] = []
    refused: dict[str, str] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        return [_refused({str(folder): error.strerror or ""})]
    for entry in entries:
        stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - 10,000 names a minute
        url = wanted.get(mac_of(stem) or "") if suffix.lower() == ".cfg" else None
        if url is None:
            continue
        try:
            _keep(Path(entry.path), Tls(trust_url=url))
        except BlockError:
            edited.append(entry.name)
        except Changed:
            continue
        except Refused as error:
            refused[entry.name] = str(error)
        except OSError as error:
            refused[entry.name] = error.strerror or ""
    notices = []
    if edited:
        notices.append(Notice(BLOCK_EDITED, params={"files": _listed(edited)}))
    if refused:
        notices.append(_refused(refused))
    return notices


def _wanted(snapshot: Snapshot, port: int) -> dict[str, str]:
    """The URL of its trust file for each MAC."""
    found = {}
    for mac, terminal in snapshot.by_mac.items():
        known_type = snapshot.type_of(terminal)
        if known_type.method == Method.MITEL_SIP and known_type.trust is not None:
            found[mac] = f"https://{snapshot.own_host}:{port}{trust_path(terminal, known_type)}"
    return found


def _keep(file: Path, tls: Tls) -> None:
    """Raises BlockError, Refused, Changed and OSError; then nothing has been written."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as handle:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode) or before.st_nlink > 1:
            raise Refused("not a regular file of one name")
        content = handle.read()
    new = with_block(content, tls)
    if new == content:
        return
    _check_unedited(content)
    staged = file.with_name(f".pbxcerts-{file.name}")
    with suppress(FileNotFoundError):
        staged.unlink()
    try:
        _write(staged, new, before)
        now = file.lstat()
        if (now.st_ino, now.st_mtime_ns, now.st_size) != (before.st_ino, before.st_mtime_ns, before.st_size):
            raise Changed
        staged.rename(file)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _check_unedited(content: bytes) -> None:
    """Raises BlockError where between the marks there is something else than what we have once written there."""
    lines = [line.strip() for line in content.decode("latin-1").splitlines()]
    if BEGIN not in lines:
        return
    block = lines[lines.index(BEGIN) + 1 : lines.index(END)]
    url = block[0].partition(": ")[2] if block else ""
    if block != parameters(Tls(trust_url=url)):
        raise BlockError(ConfigurationCode.BLOCK_EDITED)


def _write(staged: Path, content: bytes, like: os.stat_result) -> None:
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        if (os.fstat(descriptor).st_uid, os.fstat(descriptor).st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        handle.write(content)
        handle.flush()
        os.fsync(descriptor)


def _refused(refused: Mapping[str, str]) -> Notice:
    return Notice(FILES_REFUSED, params={"files": _listed(list(refused)), "reason": next(iter(refused.values()))})


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED_AT_MOST]) + (" …" if len(names) > NAMED_AT_MOST else "")
