"""What happens to an installation of a test happens once in each process of tests, and is copied where it would happen again."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model

from certificates.models import Settings
from pbxcerts.system.models import General
from terminals.tally import triggers

APPS = ("certificates", "terminals", "django_q")

Rows = dict[type[Model], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Entry:
    """A directory, a link or a file of the store."""

    mode: int
    target: str = ""
    content: bytes | None = None

    @classmethod
    def read(cls, place: Path) -> Entry:
        if place.is_symlink():
            return cls(0, target=str(place.readlink()))
        mode = stat.S_IMODE(place.stat().st_mode)
        return cls(mode, content=place.read_bytes() if place.is_file() else None)

    def write(self, place: Path) -> None:
        if self.target:
            place.unlink(missing_ok=True)
            place.symlink_to(self.target)
            return
        if self.content is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(self.content)
        place.chmod(self.mode)


@dataclass(frozen=True)
class Beginning:
    """What must be alike for the same to follow: the tables that it changes, the settings of both pages, the mark of the store."""

    rows: Rows
    settings: Rows
    mark: bytes


@dataclass(frozen=True)
class Happened:
    """What it began with, the tables and the entries of the store that it changed, which of these are gone, the list of keys, and
    whose installation it is.
    """

    began: Beginning
    rows: Rows
    store: dict[str, Entry]
    gone: list[str]
    keys: Entry | None
    installation: str | None

    @classmethod
    def while_it(cls, happens: Callable[[], object], store: Path) -> Happened:
        rows_before, store_before = _rows(_kinds()), _entries(store)
        settings_before, mark_before = _settings(), _mark(store)
        happens()
        rows, entries = _rows(_kinds()), _entries(store)
        changed = [kind for kind in rows if rows[kind] != rows_before[kind]]
        return cls(
            began=Beginning({kind: rows_before[kind] for kind in changed}, settings_before, mark_before),
            rows={kind: rows[kind] for kind in changed},
            store={name: entry for name, entry in entries.items() if entry != store_before.get(name)},
            gone=[name for name in reversed(store_before) if name not in entries],
            keys=Entry.read(settings.KEY_FILE) if settings.KEY_FILE.exists() else None,
            installation=General.objects.values_list("installation", flat=True).first(),
        )

    def has_begun(self, store: Path) -> bool:
        """Whether this installation is what the other one was when it began."""
        return self.began == Beginning(_rows(self.rows), _settings(), _mark(store))

    def again(self, store: Path) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for kind, rows in self.rows.items():
                table, columns = kind._meta.db_table, _columns(kind)
                places = ", ".join(["%s"] * len(columns))
                cursor.execute(f'DELETE FROM "{table}"')
                cursor.executemany(f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({places})', rows)
            triggers.recount(connection)
            cursor.execute(f'UPDATE "{General._meta.db_table}" SET installation = %s', [self.installation])
        for name in self.gone:
            place = store / name
            place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
        for name, entry in self.store.items():
            entry.write(store / name)
        if self.keys is not None:
            self.keys.write(settings.KEY_FILE)


_known: dict[str, Happened] = {}


def once(name: str, happens: Callable[[], object], store: Path) -> None:
    """Let something happen that has a name. Installations that do not begin as the last one did are no copies of it, and what
    other databases give out as a number goes on.
    """
    if connection.vendor != "sqlite":
        happens()
        return
    known = _known.get(name)
    if known is not None and known.has_begun(store):
        known.again(store)
    else:
        _known[name] = Happened.while_it(happens, store)


def _kinds() -> list[type[Model]]:
    """The tallies follow from the others: their triggers keep them."""
    kinds = [kind for kind in apps.get_models() if kind is General or kind._meta.app_label in APPS]
    return [kind for kind in kinds if kind.__module__ != "terminals.tally.models"]


def _columns(kind: type[Model], *, without: str = "") -> list[str]:
    return [f'"{field.column}"' for field in kind._meta.concrete_fields if field.name != without]


def _stored(kind: type[Model], *, without: str = "") -> list[tuple[Any, ...]]:
    """The rows as SQLite holds them: what stands behind a plus is no column, which would be converted by its type."""
    columns = ", ".join(f"+{column}" for column in _columns(kind, without=without))
    with connection.cursor() as cursor:
        return cursor.execute(f'SELECT {columns} FROM "{kind._meta.db_table}"').fetchall()


def _rows(kinds: Iterable[type[Model]]) -> Rows:
    return {kind: _stored(kind) for kind in kinds}


def _settings() -> Rows:
    """Each installation has another name."""
    return {General: _stored(General, without="installation"), Settings: _stored(Settings)}


def _mark(store: Path) -> bytes:
    file = store / "mark.json"
    return file.read_bytes() if file.exists() else b""


def _entries(store: Path) -> dict[str, Entry]:
    """Those of a directory after itself."""
    if not store.exists():
        return {}
    return {str(place.relative_to(store)): Entry.read(place) for place in [store, *sorted(store.rglob("*"))]}
