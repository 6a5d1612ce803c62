"""Many rows changed or made by one statement with VALUES, 500 rows at a time.

One by one, or by Django's `bulk_update`, ten thousand rows take one to two seconds, during which another writer waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection, models

SIZE = 500

Row = TypeVar("Row")


def in_batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + SIZE] for start in range(0, len(rows), SIZE))


def update_from(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    *,
    match: Sequence[str],
    where: str = "",
    also: Mapping[str, str] | None = None,
) -> int:
    """Give each matching row the values of its mapping, all of which have the same names; returns how many were changed.

    `match` names what a row is found by. `where` and the values of `also` are SQL of our own, never a person's; in both `t`
    is the row as it was and `v` its new values.
    """
    return sum(_update(model, batch, match, where, also or {}) for batch in in_batches(rows))


def insert_missing(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, known_by: Sequence[str] = ()
) -> None:
    """Make a row of each mapping, with the defaults of the model; where a unique constraint knows it already, or there is a row
    with the same values of all of `known_by`, nothing happens.
    """
    for batch in in_batches(rows):
        _insert(model, batch, known_by)


def _insert(model: type[models.Model], rows: Sequence[Mapping[str, Any]], known_by: Sequence[str]) -> None:
    made = [field for field in model._meta.concrete_fields if not field.primary_key]
    given = [field for field in made if field.name in rows[0]]
    columns = {field.name: connection.ops.quote_name(str(field.column)) for field in made}
    values = [_typed(f"v.{columns[field.name]}" if field in given else "%s", field) for field in made]
    table = connection.ops.quote_name(model._meta.db_table)
    row = f"({', '.join(['%s'] * len(given))})"
    same = " AND ".join(f"o.{columns[name]} = v.{columns[name]}" for name in known_by)
    where = f"NOT EXISTS (SELECT 1 FROM {table} AS o WHERE {same})" if known_by else "1 = 1"  # noqa: S608 - names are the model's
    statement = (
        f"WITH v ({', '.join(columns[field.name] for field in given)}) AS (VALUES {', '.join([row] * len(rows))}) "  # noqa: S608 - names are the model's
        f"INSERT INTO {table} ({', '.join(columns.values())}) SELECT {', '.join(values)} FROM v WHERE {where} "
        "ON CONFLICT DO NOTHING"
    )
    parameters = _prepared(rows, {field.name: field for field in given})
    defaults = [field.get_db_prep_save(field.get_default(), connection) for field in made if field not in given]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters + defaults)


def _update(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    match: Sequence[str],
    where: str,
    also: Mapping[str, str],
) -> int:
    fields: list[models.Field[Any, Any]] = [model._meta.get_field(name) for name in rows[0]]  # type: ignore[misc]
    names = {name: connection.ops.quote_name(str(field.column)) for name, field in zip(rows[0], fields, strict=True)}
    values = {name: _typed(f"v.{names[name]}", field) for name, field in zip(rows[0], fields, strict=True)}
    changes = [f"{names[name]} = {values[name]}" for name in names if name not in match]
    changes += [f"{connection.ops.quote_name(name)} = {expression}" for name, expression in also.items()]
    found = [f"t.{names[name]} = {values[name]}" for name in match]
    row = f"({', '.join(['%s'] * len(fields))})"
    table = connection.ops.quote_name(model._meta.db_table)
    statement = (
        f"WITH v ({', '.join(names.values())}) AS (VALUES {', '.join([row] * len(rows))}) "  # noqa: S608 - names are the model's
        f"UPDATE {table} AS t SET {', '.join(changes)} FROM v WHERE {' AND '.join([*found, *filter(None, [where])])}"
    )
    parameters = _prepared(rows, dict(zip(rows[0], fields, strict=True)))
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def _prepared(rows: Sequence[Mapping[str, Any]], fields: Mapping[str, models.Field[Any, Any]]) -> list[Any]:
    """The values as the database takes them, row by row. Many are the same, and Django takes its time over each."""
    alike: dict[type[models.Field[Any, Any]], dict[Any, Any]] = {type(field): {} for field in fields.values()}
    # The values of a JSON field cannot be keys.
    known = {name: alike[type(field)] for name, field in fields.items() if not isinstance(field, models.JSONField)}
    for name in known:
        for value in {row[name] for row in rows}.difference(known[name]):
            # Integers, most of them keys that are each another, go as they are.
            known[name][value] = value if type(value) is int else fields[name].get_db_prep_save(value, connection)
    return [
        known[name][row[name]] if name in known else field.get_db_prep_save(row[name], connection)
        for row in rows
        for name, field in fields.items()
    ]


def _typed(expression: str, field: models.Field[Any, Any]) -> str:
    """PostgreSQL takes a parameter in VALUES for text; SQLite keeps what it is given."""
    if connection.vendor != "postgresql":
        return expression
    return f"CAST({expression} AS {field.db_type(connection)})"
