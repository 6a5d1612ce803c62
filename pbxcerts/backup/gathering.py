"""What belongs in a backup, read while everything goes on (rules backup-order, backup-contents)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max
from django.utils.translation import gettext as _

from certificates.communication_server.store import MARK
from certificates.models import Generation
from pbxcerts import __version__, env
from pbxcerts.backup import database_copy
from pbxcerts.backup.archive import Contents
from pbxcerts.backup.errors import BackupNotMade
from pbxcerts.backup.exchange import LINKS
from pbxcerts.backup.manifest import DJANGO_KEY, KEY_LIST, POSTGRESQL, SQLITE, Manifest, is_link, is_name
from pbxcerts.system import sealing
from pbxcerts.system.models import General
from pbxcerts.system.sealing import SealingError
from terminals.models import Terminal

TRIES = 5


@dataclass(frozen=True)
class Gathered:
    manifest: Manifest
    contents: Contents


def gather(workplace: Path, now: datetime) -> Gathered:
    """The copy of the database stands in `workplace`. Raises BackupNotMade, OSError or DatabaseError."""
    contents: dict[str, bytes | Path] = {}
    # Before the database: what telephones have shown is in these files until it is there (rule evidence-queue).
    for file in sorted((settings.DATA / "run").glob("evidence-*")):
        with suppress(FileNotFoundError):
            contents[f"run/{file.name}"] = file.read_bytes()
    for _try in range(TRIES):
        before = _read(settings.STORE / MARK)
        name, copied = _copy_database(workplace)
        published, links = _read_store(settings.STORE)
        if before == published.get(f"store/{MARK}"):
            break
    general = General.load()
    manifest = Manifest(
        made_at=now,
        version=__version__,
        installation=general.installation,
        site=_printable(str(general)),
        language=general.language,
        migrations=tuple(sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())),
        holds=what_it_holds(),
        environment={name: None if name in env.SECRETS else _printable(one) for name, one in env.all_given().items()},
        links=links,
    )
    return Gathered(manifest, contents | published | _secrets() | {name: copied})


def what_it_holds() -> dict[str, int]:
    """What a person recognises the database by."""
    return {
        "generations": Generation.objects.made().count(),
        "newest": Generation.objects.aggregate(newest=Max("number"))["newest"] or 0,
        "terminals": Terminal.objects.count(),
        "users": get_user_model().objects.count(),
    }


def _copy_database(workplace: Path) -> tuple[str, Path]:
    if database_copy.is_sqlite():
        name, copy = SQLITE, workplace / SQLITE
        copy.unlink(missing_ok=True)
        database_copy.copy_sqlite(database_copy.sqlite_file(), copy)
    else:
        name, copy = POSTGRESQL, workplace / POSTGRESQL
        copy.unlink(missing_ok=True)
        database_copy.dump_postgresql(copy)
    return name, copy


def _secrets() -> dict[str, bytes]:
    try:
        sealing.key_list()
        keys = settings.KEY_FILE.read_bytes()
    except SealingError as error:
        raise BackupNotMade(
            _("Without its keys nobody could read the secrets in the backup: %(reason)s. Put the key list back first.")
            % {"reason": error}
        ) from error
    return {KEY_LIST: keys, DJANGO_KEY: f"{settings.SECRET_KEY}\n".encode()}


def _read_store(store: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Its files and its links. What is deleted meanwhile is not in it, and neither is what others have put there."""
    places = [store / MARK, *store.glob("trust/*.pem"), *store.glob("generations/*/*")]
    found = {}
    for place in places:
        name = f"store/{place.relative_to(store)}"
        if is_name(name) and (content := _read(place)) is not None:
            found[name] = content
    links = {}
    for name in LINKS:
        with suppress(OSError):
            target = str((store / name).readlink())
            if is_link(name, target):
                links[name] = target
    return found, links


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes() if not file.is_symlink() else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
