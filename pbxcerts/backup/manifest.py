"""What is in a backup: the first file of the archive says it of all others, with their sizes and hashes (rule backup-checked).

A backup for keys can be made by anybody who knows the public key, so nothing in it is believed: names, links and sizes are those
that this product writes, or it is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from pbxcerts.backup.errors import BackupDamaged, BackupUnfit

MANIFEST = "manifest.json"
BLOCK = 4096
MOST_OCTETS = 64 * 2**20
"""Of the manifest itself. A thousand generations are a megabyte."""
FORMAT = 1

SQLITE, POSTGRESQL = "database.sqlite3", "database.dump"
DJANGO_KEY, KEY_LIST = "secrets/django.key", "secrets/host-keys.key"
_PAIR_FILES = "root.pem|host.pem|host.key|fullchain.pem|agent.pem|root.der|host.der"
_NAMES = re.compile(
    rf"{re.escape(SQLITE)}|{re.escape(POSTGRESQL)}|{re.escape(DJANGO_KEY)}|{re.escape(KEY_LIST)}|run/evidence-[0-9]{{1,19}}"
    rf"|store/mark\.json|store/trust/[0-9a-f]{{1,64}}\.pem|store/generations/[0-9]{{1,19}}/({_PAIR_FILES})",
    re.ASCII,
)
_LINKS = {
    "current": re.compile(r"generations/[0-9]{1,19}", re.ASCII),
    "next": re.compile(r"generations/[0-9]{1,19}", re.ASCII),
    "trust.pem": re.compile(r"trust/[0-9a-f]{1,64}\.pem", re.ASCII),
}
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_name(name: str) -> bool:
    """Of a file that may be in a backup."""
    return _NAMES.fullmatch(name) is not None


def is_link(name: str, target: str) -> bool:
    """Of the store, as this product makes it."""
    return name in _LINKS and _LINKS[name].fullmatch(target) is not None


@dataclass(frozen=True)
class FileEntry:
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`migrations`: those that were carried out on the database, as in "system.0001_initial". `holds`: what a person recognises it
    by, numbers of generations, terminals and users. `environment`: the variables that were set, without the prefix; None for one
    that may hold a secret. `links`: the symlinks of the store.
    """

    made_at: datetime
    version: str
    installation: str
    site: str
    language: str
    migrations: tuple[str, ...]
    holds: dict[str, int]
    environment: dict[str, str | None]
    links: dict[str, str]
    files: dict[str, FileEntry] = field(default_factory=dict)

    @property
    def database(self) -> str:
        """The file that holds it."""
        return SQLITE if SQLITE in self.files else POSTGRESQL

    @property
    def size(self) -> int:
        """Of all its files, in octets."""
        return sum(entry.size for entry in self.files.values())

    @property
    def room_for_store(self) -> int:
        """What its files of the store take on a disk, in octets: each fills its last block."""
        return sum(entry.size + BLOCK for name, entry in self.files.items() if name.startswith("store/"))

    def content(self) -> bytes:
        values = asdict(self) | {"format": FORMAT, "made_at": self.made_at.isoformat()}
        return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def read(cls, content: bytes) -> "Manifest":
        """Raises BackupDamaged, or BackupUnfit where a newer version has made it."""
        try:
            return cls._read(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BackupDamaged(
                _("The list of contents in the backup is not one of pbxcerts: it was not made by pbxcerts, or changed.")
            ) from error

    @classmethod
    def _read(cls, values: dict[str, Any]) -> "Manifest":
        if _number(values["format"]) > FORMAT:
            raise BackupUnfit(
                _(
                    "The backup was made by version %(version)s of pbxcerts, whose backups this version does not know: install that version."
                )
                % {"version": _text(values["version"], 64)}
            )
        files = {name: FileEntry(_number(one["size"]), one["sha256"]) for name, one in values["files"].items()}
        links: Mapping[str, str] = values["links"]
        made_at = datetime.fromisoformat(values["made_at"])
        if (
            made_at.utcoffset() is None
            or not all(is_name(name) and _HEX.fullmatch(entry.sha256) for name, entry in files.items())
            or not all(is_link(name, target) for name, target in links.items())
            or len({SQLITE, POSTGRESQL} & files.keys()) != 1
            or not {DJANGO_KEY, KEY_LIST} <= files.keys()
        ):
            raise ValueError
        return cls(
            made_at=made_at,
            version=_text(values["version"], 64),
            installation=_text(values["installation"], 64),
            site=_text(values["site"], 256),
            language=_text(values["language"], 16),
            migrations=tuple(_text(name, 256) for name in values["migrations"]),
            holds={_text(name, 64): _number(value) for name, value in values["holds"].items()},
            environment={_text(n, 64): None if v is None else _text(v, 4096) for n, v in values["environment"].items()},
            links=dict(links),
            files=files,
        )


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value


def _text(value: Any, most: int) -> str:
    """One that can be shown on a terminal."""
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ValueError
    return value
