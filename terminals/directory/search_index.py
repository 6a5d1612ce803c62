"""The index of SQLite in which the list is searched, and the triggers that keep it (rule search).

It holds no text of its own: FTS5 reads that from the terminals. Made in a migration, as the triggers of the tallies are.
"""
# ruff: noqa: S608 - everything in these statements is a constant

import sqlite3
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

INDEX = "terminals_search"
COLUMNS = ("number", "name", "address", "mac")
SHORTEST_INDEXED = 3
"""Characters."""

_FIELDS = ", ".join(COLUMNS)
_NEW, _OLD = (", ".join(f"{row}.{name}" for name in COLUMNS) for row in ("NEW", "OLD"))
_STATEMENTS = (
    f"CREATE TRIGGER search_insert AFTER INSERT ON terminals_terminal BEGIN "
    f"INSERT INTO {INDEX} (rowid, {_FIELDS}) VALUES (NEW.id, {_NEW}); END",
    f"CREATE TRIGGER search_delete AFTER DELETE ON terminals_terminal BEGIN "
    f"INSERT INTO {INDEX} ({INDEX}, rowid, {_FIELDS}) VALUES ('delete', OLD.id, {_OLD}); END",
    f"CREATE TRIGGER search_update AFTER UPDATE OF {_FIELDS} ON terminals_terminal BEGIN "
    f"INSERT INTO {INDEX} ({INDEX}, rowid, {_FIELDS}) VALUES ('delete', OLD.id, {_OLD}); "
    f"INSERT INTO {INDEX} (rowid, {_FIELDS}) VALUES (NEW.id, {_NEW}); END",
    f"INSERT INTO {INDEX} ({INDEX}) VALUES ('rebuild')",
)
TRIGGERS = ("search_insert", "search_delete", "search_update")


def install(database: BaseDatabaseWrapper) -> None:
    """Make the index where SQLite can; else all are looked through."""
    if database.vendor != "sqlite":
        return
    remove(database)
    with database.cursor() as cursor:
        if not _knows_trigrams(cursor):
            return
        cursor.execute(
            f"CREATE VIRTUAL TABLE {INDEX} USING fts5({_FIELDS}, content='terminals_terminal', content_rowid='id', "
            "tokenize='trigram')"
        )
        for statement in _STATEMENTS:
            cursor.execute(statement)


def _knows_trigrams(cursor: Any) -> bool:
    cursor.execute("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'")
    with_fts5 = bool(cursor.fetchone()[0])
    return with_fts5 and bool(sqlite3.sqlite_version_info >= (3, 34))


def remove(database: BaseDatabaseWrapper) -> None:
    if database.vendor != "sqlite":
        return
    with database.cursor() as cursor:
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"DROP TABLE IF EXISTS {INDEX}")
