"""The index of all sequences of three characters in which the list is searched (rule search).

On SQLite it is a table with triggers that keep it, and holds no text of its own: FTS5 reads that from the terminals. On PostgreSQL it
is an index of the terminals, by the extension pg_trgm. Made in a migration, and by a start of `up` where it could not be made before;
what changes here reaches older databases by a new migration, as terminals/0024 is one (tests/upgrade asks for it).
"""
# ruff: noqa: S608 - everything in these statements is a constant

import sqlite3
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

INDEX = "terminals_search"
COLUMNS = ("number", "name", "address", "mac")
SHORTEST_INDEXED = 3
"""Characters."""

_FIELDS = ", ".join(COLUMNS)
_NEW, _OLD = (", ".join(f"{row}.{name}" for name in COLUMNS) for row in ("NEW", "OLD"))
STATEMENTS_OF_SQLITE = (
    f"CREATE VIRTUAL TABLE {INDEX} USING fts5({_FIELDS}, content='terminals_terminal', content_rowid='id', tokenize='trigram')",
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


EXTENSION = "pg_trgm"
"""From PostgreSQL 13 on whoever may make schemas in a database may make it, where the server has its files."""
_SCHEMA_OF_THE_EXTENSION = "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = %s"


def is_there(database: BaseDatabaseWrapper) -> bool:
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [INDEX])
        else:
            cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = %s", [INDEX])
        return bool(cursor.fetchone()[0])


def make_where_missing(database: BaseDatabaseWrapper) -> None:
    """An administrator may have made the extension since, or a backup was restored, which holds no such index of PostgreSQL."""
    if not is_there(database):
        install(database)


def install(database: BaseDatabaseWrapper) -> None:
    """Make the index anew where the database can; else all are looked through."""
    remove(database)
    if database.vendor == "postgresql":
        # Search is slower without it, and that is all.
        with suppress(DatabaseError), transaction.atomic(using=database.alias), database.cursor() as cursor:
            _install_postgresql(cursor)
        return
    with database.cursor() as cursor:
        if not _knows_trigrams(cursor):
            return
        for statement in STATEMENTS_OF_SQLITE:
            cursor.execute(statement)


def _install_postgresql(cursor: Any) -> None:
    """Raises DatabaseError."""
    cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
    cursor.execute(_SCHEMA_OF_THE_EXTENSION, [EXTENSION])
    (schema,) = cursor.fetchone()
    cursor.execute(statement_of_postgresql(schema))


def statement_of_postgresql(schema: str) -> str:
    """An index of what the conditions of `searching` compare, as Django writes them. `schema`: that of the extension."""
    compared = [f"UPPER({name}::text)" for name in COLUMNS if name != "mac"] + ["mac"]
    indexed = ", ".join(f"{one} {schema}.gin_trgm_ops" for one in compared)
    return f"CREATE INDEX {INDEX} ON terminals_terminal USING gin ({indexed})"


def _knows_trigrams(cursor: Any) -> bool:
    cursor.execute("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'")
    with_fts5 = bool(cursor.fetchone()[0])
    return with_fts5 and bool(sqlite3.sqlite_version_info >= (3, 34))


def remove(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute(f"DROP INDEX IF EXISTS {INDEX}")
            return
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"DROP TABLE IF EXISTS {INDEX}")
