"""Many rows changed or made by one statement, 500 rows at a time (rule many-rows).

To put a statement together takes as long as to execute it, so it is done before anything is locked.

The rows go as one parameter, an array of arrays in JSON. As a parameter for each value they would be as fast; but then each
number of rows is a statement of its own, of which sqlite3 keeps 128, and with 500 rows one has half a megabyte.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import connection, models, transaction

SIZE = 500

Row = TypeVar("Row")


def in_batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + SIZE] for start in range(0, len(rows), SIZE))


class Statement(NamedTuple):
    """Ready to be executed. Nothing in `sql` is a person's."""

    sql: str
    parameters: Sequence[Any]


_WRITERS_OF_TERMINALS = 0x7062_7863_6572_7473
"""The key of PostgreSQL's advisory lock, which is of one database."""


@contextmanager
def one_writer(*, savepoint: bool = True) -> Iterator[None]:
    """A transaction in which nobody else writes about many terminals (rule one-writer). It comes before any other lock of its
    transaction. SQLite has one writer anyway. `savepoint`: as `transaction.atomic` has it.
    """
    with transaction.atomic(savepoint=savepoint):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITERS_OF_TERMINALS])
        yield


def execute(statements: Iterable[Statement]) -> None:
    """In one transaction; none is begun, and nothing locked, where there is nothing to do."""
    statements = list(statements)
    if not statements:
        return
    with one_writer(savepoint=False), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(*statement)


def updates(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    *,
    match: Sequence[str],
    where: str = "",
    also: Mapping[str, str] | None = None,
) -> list[Statement]:
    """Give each matching row the values of its mapping, all of which have the same names.

    `match` names what a row is found by. `where` and the values of `also` are SQL of our own, never a person's; in both `t`
    is the row as it was and `v` its new values.
    """
    return [_update(model, batch, match, where, also or {}) for batch in in_batches(rows)]


def is_one_of(name: str, values: Iterable[enum.StrEnum]) -> str:
    """For the `where` of `updates`: the row as it was has one of these values. They are members of an enumeration, so that
    none can be written that does not exist.
    """
    listed = ", ".join(sorted(f"'{value.value}'" for value in values))
    return f"t.{connection.ops.quote_name(name)} IN ({listed})"


def inserts(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, known_by: Sequence[str] = ()
) -> list[Statement]:
    """Make a row of each mapping, with the defaults of the model; where a unique constraint knows it already, or there is a row
    with the same values of all of `known_by`, nothing happens.
    """
    return [_insert(model, batch, known_by) for batch in in_batches(rows)]


def _insert(model: type[models.Model], rows: Sequence[Mapping[str, Any]], known_by: Sequence[str]) -> Statement:
    made = [field for field in model._meta.concrete_fields if not field.primary_key]
    given = [field for field in made if field.name in rows[0]]
    columns = {field.name: connection.ops.quote_name(str(field.column)) for field in made}
    values = [f"v.{columns[field.name]}" if field in given else "%s" for field in made]
    table = connection.ops.quote_name(model._meta.db_table)
    same = " AND ".join(f"o.{columns[name]} = v.{columns[name]}" for name in known_by)
    where = f"NOT EXISTS (SELECT 1 FROM {table} AS o WHERE {same})" if known_by else "1 = 1"  # noqa: S608 - names are the model's
    statement = (
        f"WITH v AS ({_select(given)}) "  # noqa: S608 - names are the model's
        f"INSERT INTO {table} ({', '.join(columns.values())}) SELECT {', '.join(values)} FROM v WHERE {where} "
        "ON CONFLICT DO NOTHING"
    )
    defaults = [field.get_db_prep_save(field.get_default(), connection) for field in made if field not in given]
    return Statement(statement, [_values(rows, given), *defaults])


def _update(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    match: Sequence[str],
    where: str,
    also: Mapping[str, str],
) -> Statement:
    given: list[models.Field[Any, Any]] = [model._meta.get_field(name) for name in rows[0]]  # type: ignore[misc]
    columns = {name: connection.ops.quote_name(str(field.column)) for name, field in zip(rows[0], given, strict=True)}
    changes = [f"{column} = v.{column}" for name, column in columns.items() if name not in match]
    changes += [f"{connection.ops.quote_name(name)} = {expression}" for name, expression in also.items()]
    found = [f"t.{columns[name]} = v.{columns[name]}" for name in match]
    table = connection.ops.quote_name(model._meta.db_table)
    statement = (
        f"WITH v AS ({_select(given)}) "  # noqa: S608 - names are the model's
        f"UPDATE {table} AS t SET {', '.join(changes)} FROM v WHERE {' AND '.join([*found, *filter(None, [where])])}"
    )
    return Statement(statement, [_values(rows, given)])


def _select(given: Sequence[models.Field[Any, Any]]) -> str:
    """The rows of the parameter."""
    taken = _taken_by_postgresql if connection.vendor == "postgresql" else _taken_by_sqlite
    source = "json_each(%s)"
    if connection.vendor == "postgresql":
        source = "jsonb_array_elements(CAST(%s AS jsonb)) AS rows (value)"
    names = [connection.ops.quote_name(str(field.column)) for field in given]
    columns = ", ".join(f"{taken(place, field)} AS {names[place]}" for place, field in enumerate(given))
    return f"SELECT {columns} FROM {source}"  # noqa: S608 - names are the model's


def _taken_by_sqlite(place: int, field: models.Field[Any, Any]) -> str:
    """As what it is. The operator ->> would need SQLite 3.38."""
    value = f"json_extract(value, '$[{place}]')"
    return f"CAST({value} AS BLOB)" if isinstance(field, models.BinaryField) else value


def _taken_by_postgresql(place: int, field: models.Field[Any, Any]) -> str:
    """It takes all for text."""
    value = f"value ->> {place}"
    if isinstance(field, models.BinaryField):
        return f"convert_to({value}, 'UTF8')"
    return f"CAST({value} AS {field.db_type(connection)})"


def _values(rows: Sequence[Mapping[str, Any]], given: Sequence[models.Field[Any, Any]]) -> str:
    """In JSON, each as the database takes it. Many are the same, and Django takes its time over each."""
    columns = [_prepared([row[field.name] for row in rows], field) for field in given]
    return json.dumps(list(zip(*columns, strict=True)), ensure_ascii=False, default=_plain)


def _prepared(values: list[Any], field: models.Field[Any, Any]) -> list[Any]:
    """Octets are those of text: what is encrypted is ASCII (Fernet). Raises UnicodeDecodeError for others."""
    if isinstance(field, models.JSONField):
        return [json.dumps(value, cls=field.encoder) for value in values]
    if isinstance(field, models.BinaryField):
        return [None if value is None else bytes(value).decode("ascii") for value in values]
    if isinstance(field, models.DateTimeField):
        # Each is another, and all are aware: what Django does beside costs twice as much.
        adapted = connection.ops.adapt_datetimefield_value
        return [adapted(value) for value in values]
    known: dict[Any, Any] = {}
    for value in set(values):
        # Integers, most of them keys that are each another, go as they are.
        known[value] = value if type(value) is int else field.get_db_prep_save(value, connection)
    return [known[value] for value in values]


def _plain(value: object) -> str:
    """PostgreSQL takes moments as they are."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is nothing that these statements can hold")
