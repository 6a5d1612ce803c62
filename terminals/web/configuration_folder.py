"""Sites with a configuration server of their own: one marked block in its files (rule configuration-folder).

The block names the trust file with its full URL at pbxcerts, so that the fetch is seen.
"""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from terminals.drivers.configuration import MarkedBlock, MarkedBlockError, PhoneTls
from terminals.web.provisioning import ALL_FILES, trust_path
from terminals.web.snapshot import Snapshot

NAMED_AT_MOST = 20
LARGEST = 1_000_000
"""Bytes of a file that is read: a phone's own configuration has some kilobytes."""
_PATTERNS = [(files, re.compile(files.pattern, re.IGNORECASE)) for files in ALL_FILES if files.block is not None]

WITHOUT_FILE = _(
    "Until the switch none. Telephones that read only these files do not get the new pair and can't call after it."
)
BLOCK_EDITED = EventKind(
    "configuration_block_edited",
    Severity.SERIOUS,
    _(
        "The block of pbxcerts in these configuration files is not as it was left; nothing is written to them: %(files)s."
    ),
    cleared=_("No block of pbxcerts that somebody has changed is found in the configuration files any more."),
    hint=_("Delete the block with both its marks; it is written anew within a minute."),
    cause=_("A person or a provisioning system has changed the lines of pbxcerts in the configuration files."),
    consequence=WITHOUT_FILE,
)
FILES_REFUSED = EventKind(
    "configuration_files_refused",
    Severity.SERIOUS,
    _("Configuration files that cannot be written: %(files)s. The reason of the first: %(reason)s."),
    cleared=_("Nothing that is to be written to the configuration files is refused any more."),
    hint=_(
        "Where the reason is “Read-only file system”, the unit of systemd does not open the folder: make it anew with “pbxcerts unit”."
    ),
    cause=_("The user of pbxcerts may not write there, the disk is full, or the folder is read-only."),
    consequence=WITHOUT_FILE,
    remedy=_(
        "Give the user of pbxcerts the right to write there. Where the reason is “Read-only file system”, the unit of systemd"
        " does not open the folder: make it anew with “pbxcerts unit”."
    ),
)
NO_FILES = EventKind(
    "configuration_files_not_regular",
    Severity.SERIOUS,
    _("Not a regular file, or a file with several names (hard links); nothing is written to it: %(files)s."),
    cleared=_("No such file is found among the configuration files any more."),
    hint=_("Put a file of its own in its place, or remove it."),
    cause=_("A directory, a pipe or a hard link lies in the folder under the name of a configuration file."),
    consequence=WITHOUT_FILE,
)
FILES_TOO_LARGE = EventKind(
    "configuration_files_too_large",
    Severity.SERIOUS,
    _("Larger than 1 MB, so no configuration file of a telephone; nothing is written to it: %(files)s."),
    cleared=_("No such file is found among the configuration files any more."),
    hint=_("Put the telephone's configuration in its place, or remove it."),
    cause=_("Another file lies in the folder under the name of a configuration file."),
    consequence=WITHOUT_FILE,
)
NO_OWN_NAME = EventKind(
    "configuration_folder_without_name",
    Severity.SERIOUS,
    _("The configuration files cannot name the trust file: nobody has said under which name terminals reach pbxcerts."),
    cleared=_("It is known under which name terminals reach pbxcerts, or no configuration file is to name it."),
    hint=_("Enter a name or an address under System / General."),
    cause=_("Under System / General no name and no address is entered."),
    consequence=WITHOUT_FILE,
)


class _FileLeftAlone(Exception):
    """_FileLeftAlone
    ├── _NoRegularFile  a pipe, a device, a directory, or a file with several names
    ├── _FileTooLarge
    └── _FileChanged    somebody else has just written it: the next heartbeat looks at it again
    """


class _NoRegularFile(_FileLeftAlone):
    pass


class _FileTooLarge(_FileLeftAlone):
    pass


class _FileChanged(_FileLeftAlone):
    pass


def keep(snapshot: Snapshot, folder: Path, *, port: int) -> list[Notice]:
    """Give the files of known terminals their block; returns what a person should know. `port` is the HTTPS listener's."""
    wanted = _wanted(snapshot, port)
    if not wanted:
        return []
    if not snapshot.own_host:
        return [Notice(NO_OWN_NAME)]
    left_alone: dict[EventKind, list[str]] = {BLOCK_EDITED: [], NO_FILES: [], FILES_TOO_LARGE: []}
    refused: dict[str, str] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        return [_refused({str(folder): error.strerror or ""})]
    for entry in entries:
        found = _file_of_a_terminal(entry.name, wanted)
        if found is None:
            continue
        block, url = found
        try:
            _keep(Path(entry.path), block, PhoneTls(trust_url=url))
        except MarkedBlockError:
            left_alone[BLOCK_EDITED].append(entry.name)
        except _NoRegularFile:
            left_alone[NO_FILES].append(entry.name)
        except _FileTooLarge:
            left_alone[FILES_TOO_LARGE].append(entry.name)
        except _FileChanged:
            continue
        except OSError as error:
            refused[entry.name] = error.strerror or ""
    notices = [Notice(kind, params={"files": _listed(names)}) for kind, names in left_alone.items() if names]
    if refused:
        notices.append(_refused(refused))
    return notices


# What is put into the files of a terminal's method, and the URL of its trust file.
_Wanted = tuple[MarkedBlock, str]


def _wanted(snapshot: Snapshot, port: int) -> dict[str, _Wanted]:
    """What is to stand in the files, by the MAC of each terminal that loads configuration files."""
    found = {}
    for mac, terminal in snapshot.by_mac.items():
        known_type = snapshot.type_of(terminal)
        files = known_type.driver.files
        if files is not None and files.block is not None and known_type.files:
            path = trust_path(terminal, known_type.files[0])
            found[mac] = files.block, f"https://{snapshot.own_host}:{port}{path}"
    return found


def _file_of_a_terminal(name: str, wanted: Mapping[str, _Wanted]) -> _Wanted | None:
    """Whose file it is by its name, which its own method would read; capitals do not matter."""
    for files, pattern in _PATTERNS:
        if pattern.fullmatch(name):
            found = wanted.get(files.requested(name.lower()).mac)
            if found is not None and found[0] is files.block:
                return found
    return None


def _keep(file: Path, block: MarkedBlock, tls: PhoneTls) -> None:
    """Raises MarkedBlockError, _FileLeftAlone and OSError; then nothing has been written."""
    before, content = _read(file)
    new = block.put(content, tls)
    if new == content:
        return
    if len(new) > LARGEST:
        raise _FileTooLarge
    staged = file.with_name(f".pbxcerts-{file.name}")
    with suppress(FileNotFoundError):
        staged.unlink()
    try:
        _write(staged, new, before)
        now = file.lstat()
        if (now.st_ino, now.st_mtime_ns, now.st_size) != (before.st_ino, before.st_mtime_ns, before.st_size):
            raise _FileChanged
        staged.rename(file)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _read(file: Path) -> tuple[os.stat_result, bytes]:
    """Raises _FileLeftAlone and OSError."""
    # Whoever may write to the folder could have put a pipe there that nobody ever writes to, or a terminal.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise _NoRegularFile
        with os.fdopen(descriptor, "rb", closefd=False) as handle:
            content = handle.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise _FileTooLarge
    return found, content


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
