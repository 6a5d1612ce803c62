"""Queries that are put together once, because that takes longer than to ask them."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def prepared(query: Callable[..., QuerySet[M, M]]) -> Callable[..., list[M]]:
    """The rows of a query set. What changes from one time to the next are the arguments: they are all the values of the query,
    in its order. Relations are not followed.
    """
    put_together = cache(lambda count: _put_together(query, count))

    @wraps(query)
    def ask(*values: Any) -> list[M]:
        model, sql, own = put_together(len(values))
        return list(model._default_manager.raw(sql, values or own))

    return ask


def prepared_values(query: Callable[..., QuerySet[Any, tuple[Any, ...]]]) -> Callable[..., list[tuple[Any, ...]]]:
    """As `prepared`, of a query set of values that the database and Python hold alike: numbers and texts."""
    put_together = cache(lambda count: _put_together(query, count))

    @wraps(query)
    def ask(*values: Any) -> list[tuple[Any, ...]]:
        _model, sql, own = put_together(len(values))
        with connection.cursor() as cursor:
            cursor.execute(sql, values or own)
            return list(cursor.fetchall())

    return ask


def _put_together(query: Callable[..., QuerySet[M, Any]], count: int) -> tuple[type[M], str, tuple[Any, ...]]:
    places = [str(place) for place in range(count)]
    found = query(*places)
    sql, values = found.query.sql_with_params()
    if places and [str(value) for value in values] != places:
        raise TypeError(f"{query.__qualname__}: its arguments are not the values of the query")
    return found.model, sql, values
