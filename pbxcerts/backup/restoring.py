"""The way back: everything is verified beside what is there, then takes its place (rules backup-checked, restored-whole)."""

import grp
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from pbxcerts import __version__, env
from pbxcerts.backup import archive, database_copy, encryption, exchange
from pbxcerts.backup.encryption import Identities, Passphrase
from pbxcerts.backup.errors import BackupUnfit
from pbxcerts.backup.exchange import Exchange, Move
from pbxcerts.backup.gathering import what_it_holds
from pbxcerts.backup.manifest import DJANGO_KEY, KEY_LIST, POSTGRESQL, SQLITE, Manifest
from pbxcerts.backup.restored import NOTE
from pbxcerts.processes import startup
from pbxcerts.system import files
from pbxcerts.system.database import database_version
from pbxcerts.system.machines.roster import SILENT_AFTER
from pbxcerts.system.models import General, Heartbeat

SPARE = 64 * 2**20
"""Octets that are to be left on the disk."""


@dataclass(frozen=True)
class Existing:
    """The installation that a restore replaces. What can't be read of it is None."""

    installation: str | None = None
    holds: dict[str, int] | None = None
    last_run: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """What a restore is about to do, as a person is asked about it."""

    manifest: Manifest
    existing: Existing | None
    """None where nothing is there."""
    lives_elsewhere: list[str]
    """The other machines that work on the database which is replaced, by name."""
    puts_store_back: bool
    aside: Path


@dataclass(frozen=True)
class Restored:
    plan: Plan
    other_variables: dict[str, str | None]
    """Those that were set differently where the backup was made; None for one that may hold a secret."""


def language() -> str:
    """That of the installation which is there; the default of the product where none can be read."""
    try:
        if not database_copy.is_sqlite() or database_copy.sqlite_file().exists():
            return General.objects.values_list("language", flat=True).first() or settings.LANGUAGE_CODE
    except (DatabaseError, OSError):
        pass
    return str(settings.LANGUAGE_CODE)


def restore(
    backup: BinaryIO, by: Passphrase | Identities, now: datetime, *, confirm: Callable[[Plan], None]
) -> Restored:
    """`confirm` is shown the plan when everything has been verified and nothing has been touched, and raises where it is not to be.
    Raises BackupError, StartupError, OSError and DatabaseError.
    """
    with _locked() as staging:
        new = staging / "new"
        new.mkdir(mode=0o700)
        with _told_with_place(staging):
            manifest = _verified(backup, by, new)
        if manifest.language in dict(settings.LANGUAGES):
            translation.activate(manifest.language)
        aside = exchange.free(settings.DATA / f"replaced-{now:%Y%m%dT%H%M%SZ}")
        existing = _existing()
        known = None if database_copy.is_sqlite() else database_copy.signs_of_life_elsewhere()
        shared = existing is not None and not database_copy.is_sqlite()
        plan = Plan(manifest, existing, _live_elsewhere() if shared else [], _store_is_empty(), aside)
        if plan.puts_store_back:
            _refuse_full_disk(_existing_parent(settings.STORE), manifest.room_for_store)
        confirm(plan)
        keys = _all_keys((new / KEY_LIST).read_bytes())
        (new / KEY_LIST).write_bytes(keys)
        _write_note(new / "run" / NOTE, plan, now)
        if manifest.database == POSTGRESQL:
            _restore_postgresql(plan, new, keys, known)
            _take_the_place_of_who_published()
        connection.close()
        exchange.decide(settings.DATA, _exchange(plan, new, now))
        try:
            exchange.carry_out(settings.DATA)
        except OSError as error:
            raise BackupUnfit(
                _(
                    "The restore can't be finished: %(place)s: %(reason)s. Remove what is in the way and run any command: it does the rest."
                )
                % {"place": error.filename2 or error.filename or settings.DATA, "reason": error.strerror}
            ) from error
    return Restored(plan, _other_variables(manifest))


@contextmanager
def _locked() -> Iterator[Path]:
    """The data directory, which no `up` may work on, and a place in it for what is not verified yet. Where nothing comes of it,
    nothing stays behind.
    """
    data = settings.DATA
    places = (data, settings.KEY_FILE.parent, data / "run", data / "run" / "up.lock")
    made = [place for place in places if not os.path.lexists(place)]
    lock = startup.lock_data_directory(data)
    staging = exchange.staging_of(data)
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        yield staging
    except BaseException:
        # What has been decided is carried out by whichever command comes next.
        if not os.path.lexists(staging / exchange.DECIDED):
            shutil.rmtree(staging, ignore_errors=True)
            for place in reversed(made):
                with suppress(OSError):
                    place.unlink() if place.is_file() else place.rmdir()
        raise
    finally:
        os.close(lock)


@contextmanager
def _told_with_place(place: Path) -> Iterator[None]:
    """The system does not say where a disk, or what a user may have of it, is full."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise BackupUnfit(
            _(
                "The backup can't be unpacked in %(place)s: %(reason)s. Nothing has been changed; make room, and try again."
            )
            % {"place": place, "reason": error.strerror or error}
        ) from error


# -- verified before anything is touched -------------------------------------------------------------------------------


def _verified(backup: BinaryIO, by: Passphrase | Identities, new: Path) -> Manifest:
    packed = new / "archive.tar.gz"
    with os.fdopen(os.open(packed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        encryption.decrypt(backup, file, by)
        file.seek(0)
        manifest = archive.unpack(file, new, accept=_accept)
    packed.unlink()
    if manifest.database == SQLITE:
        carried_out = {f"{app}.{name}" for app, name in database_copy.check_sqlite(new / SQLITE)}
        _refuse_newer(carried_out, manifest)
    else:
        database_copy.check_postgresql(new / POSTGRESQL)
    return manifest


def _accept(manifest: Manifest) -> None:
    """Whether it can be restored here, by what it says of itself. Raises BackupUnfit."""
    _refuse_newer(set(manifest.migrations), manifest)
    if database_copy.is_sqlite() and manifest.database == POSTGRESQL:
        raise BackupUnfit(
            _(
                "The backup holds a PostgreSQL database: name the one to restore it into in PBXCERTS_DATABASE or PBXCERTS_DATABASE_FILE."
            )
        )
    if not database_copy.is_sqlite() and manifest.database == SQLITE:
        raise BackupUnfit(
            _(
                "The backup holds an SQLite database, but PBXCERTS_DATABASE names a PostgreSQL one: restore it without that variable."
            )
        )
    _refuse_full_disk(settings.DATA, manifest.size + SPARE)


def _refuse_full_disk(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise BackupUnfit(
            _("The backup needs %(needed)s MB in %(directory)s, where %(free)s MB are free: make room.")
            % {"needed": math.ceil(needed / 2**20), "free": free // 2**20, "directory": directory}
        )


def _existing_parent(place: Path) -> Path:
    return next(parent for parent in (place, *place.parents) if parent.is_dir())


def _refuse_newer(carried_out: set[str], manifest: Manifest) -> None:
    if newer := database_version.newer_among(carried_out):
        raise BackupUnfit(
            _(
                "The backup was made by version %(version)s of pbxcerts, which is newer than this one (%(own)s, which does not know"
                " %(migration)s): install that version."
            )
            % {"version": manifest.version, "own": __version__, "migration": newer}
        )


def _existing() -> Existing | None:
    """Looks at a database only where there is one: SQLite would make one."""
    try:
        if database_copy.is_sqlite():
            if not database_copy.sqlite_file().exists():
                return Existing() if settings.KEY_FILE.exists() else None
        elif not database_copy.our_tables(connection.introspection.table_names()):
            return None
        general = General.objects.values("installation").first()
        last = Heartbeat.objects.values_list("last_run", flat=True).first()
        return Existing(general["installation"] if general else None, what_it_holds(), last)
    except DatabaseError:
        return Existing()


def _live_elsewhere() -> list[str]:
    """Machines with another data directory that have shown life within five minutes, by the database's clock: a command sees one beat
    of theirs and does not wait for a second.
    """
    others = Heartbeat.objects.exclude(key=settings.MACHINE).annotate(now=Now())
    told = others.values_list("key", "name", "last_run", "database_ahead_of_machine", "now")
    try:
        return sorted(
            name or key[:6]
            for key, name, last_run, ahead, now in told
            if last_run is not None and now - last_run - timedelta(seconds=ahead or 0) < SILENT_AFTER
        )
    except DatabaseError:
        # Of a version that knew one machine only.
        connection.close()
        return []


def _store_is_empty() -> bool:
    """As rule what-is-served-stays has it: no mark, nothing served, no key. Any other store stays as it is."""
    store = settings.STORE
    shown = any(os.path.lexists(store / name) for name in ("mark.json", *exchange.LINKS))
    return not shown and not any(store.glob("generations/*/host.key"))


# -- what takes the place ----------------------------------------------------------------------------------------------


def _all_keys(restored: bytes) -> bytes:
    """The key list from now on: the keys of today first, as the first one seals and may have replaced one that leaked, then those
    of the backup. So both what is in the backup and what has been sealed since can be read.
    """
    try:
        today = settings.KEY_FILE.read_bytes().split()
    except OSError:
        today = []
    return b"".join(key + b"\n" for key in dict.fromkeys([*today, *restored.split()]))


def _write_note(place: Path, plan: Plan, now: datetime) -> None:
    """For the first heartbeat, which tells it (`pbxcerts.backup.restored`)."""
    values = {
        "restored_at": now.isoformat(),
        "made_at": plan.manifest.made_at.isoformat(),
        "store": plan.puts_store_back,
    }
    place.parent.mkdir(mode=0o700, exist_ok=True)
    _write_flushed(place, json.dumps(values).encode())


def _exchange(plan: Plan, new: Path, now: datetime) -> Exchange:
    data, aside = settings.DATA, plan.aside
    gone = [f"run/{file.name}" for file in (data / "run").glob("evidence-*")]
    moves = [Move(str(data / name), str(aside / name)) for name in [*gone, "secrets/setup-token.sha256"]]
    if plan.manifest.database == SQLITE:
        file = database_copy.sqlite_file()
        moves += [Move(f"{file}{end}", str(aside / f"{file.name}{end}")) for end in ("-wal", "-shm")]
        moves.append(Move(str(file), str(aside / file.name), str(new / SQLITE)))
    for name in [*(name for name in plan.manifest.files if name.startswith("run/")), f"run/{NOTE}"]:
        moves = [move for move in moves if move.target != str(data / name)]
        moves.append(Move(str(data / name), str(aside / name), str(new / name)))
    moves += _secret(settings.KEY_FILE, new / KEY_LIST, aside, now)
    if settings.SECRET_KEY_FILE is not None:
        moves += _secret(settings.SECRET_KEY_FILE, new / DJANGO_KEY, aside, now)
    if not plan.puts_store_back:
        return Exchange(moves)
    return Exchange(moves, str(new / "store"), str(settings.STORE), plan.manifest.links, _group())


def _group() -> int | None:
    """Who may read the store; None where nobody may, or the group is unknown here, which the next heartbeat says."""
    try:
        return grp.getgrnam(settings.STORE_GROUP).gr_gid if settings.STORE_GROUP else None
    except KeyError:
        return None


def _secret(target: Path, new: Path, aside: Path, now: datetime) -> list[Move]:
    """One that stands outside of the data directory is prepared beside its place: a rename does not lead from one file system to
    another.
    """
    content = new.read_bytes()
    if _content_of(target) == content:
        return []
    if target.is_relative_to(settings.DATA):
        return [Move(str(target), str(aside / target.relative_to(settings.DATA)), str(new))]
    beside = target.with_name(f".new-{target.name}")
    files.make_directory(target.parent)
    beside.unlink(missing_ok=True)
    _write_flushed(beside, content)
    return [Move(str(target), f"{target}.replaced-{now:%Y%m%dT%H%M%SZ}", str(beside))]


def _restore_postgresql(plan: Plan, new: Path, keys: bytes, known: database_copy.SignsOfLife | None) -> None:
    """The keys first, so that whatever ends this process leaves a database whose secrets can be read; they are only more."""
    before = _content_of(settings.KEY_FILE)
    if plan.existing is not None:
        plan.aside.mkdir(mode=0o700)
    try:
        if plan.existing is not None:
            database_copy.dump_postgresql(plan.aside / POSTGRESQL)
            if before is not None:
                _write_flushed(plan.aside / settings.KEY_FILE.name, before)
        connection.close()
        _replace(settings.KEY_FILE, keys)
        database_copy.restore_postgresql(new / POSTGRESQL, known)
    except BaseException:
        if before is not None:
            _replace(settings.KEY_FILE, before)
        else:
            settings.KEY_FILE.unlink(missing_ok=True)
        shutil.rmtree(plan.aside, ignore_errors=True)
        raise


def _take_the_place_of_who_published() -> None:
    """Where this machine is none of those in the backup, it goes on as the one that published (rule one-publishes)."""
    connection.close()
    try:
        if not Heartbeat.own().exists():
            Heartbeat.objects.filter(publishes=True).update(key="")
    except DatabaseError:
        # Of a version that knew one machine only.
        connection.close()


def _replace(target: Path, content: bytes) -> None:
    files.make_directory(target.parent)
    new = target.with_name(f".new-{target.name}")
    new.unlink(missing_ok=True)
    _write_flushed(new, content)
    new.rename(target)


def _write_flushed(place: Path, content: bytes) -> None:
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _content_of(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _other_variables(manifest: Manifest) -> dict[str, str | None]:
    here = env.all_given()
    return {
        name: value
        for name, value in sorted(manifest.environment.items())
        if name not in here or (value is not None and here[name] != value)
    }
