"""Queries that are put together once, because that takes longer than to ask them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def prepared(query: Callable[..., QuerySet[M, M]]) -> Callable[..., list[M]]:
    """The rows of a query set. What changes from one time to the next are the arguments, each a value of the query: a number, a text
    or an instant. Relations are not followed.
    """
    put_together = cache(lambda *instants: PutTogether(query, instants))

    @wraps(query)
    def ask(*values: Any) -> list[M]:
        found = put_together(*_are_instants(values))
        return list(found.model._default_manager.raw(found.sql, found.values(values)))

    return ask


def prepared_values(query: Callable[..., QuerySet[Any, tuple[Any, ...]]]) -> Callable[..., list[tuple[Any, ...]]]:
    """As `prepared`, of a query set of values that the database and Python hold alike: numbers and texts."""
    put_together = cache(lambda *instants: PutTogether(query, instants))

    @wraps(query)
    def ask(*values: Any) -> list[tuple[Any, ...]]:
        found = put_together(*_are_instants(values))
        with connection.cursor() as cursor:
            cursor.execute(found.sql, found.values(values))
            return list(cursor.fetchall())

    return ask


_FIRST_PLACE = 2_147_000_000
"""No query has such a constant, and a column of integers may hold it (a 32-bit one)."""
_FIRST_YEAR = 9000
"""The same of instants."""


def _are_instants(values: Sequence[Any]) -> list[bool]:
    return [isinstance(value, datetime) for value in values]


def _as_held(value: Any) -> Any:
    """As the database takes it: SQLite keeps instants as text."""
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


class PutTogether:
    """The SQL of `query(*values)` for values of which each is an instant or not, and where each of them goes. Raises TypeError where
    one goes nowhere.
    """

    def __init__(self, query: Callable[..., QuerySet[Any, Any]], instants: Sequence[bool]) -> None:
        arguments = [
            datetime(_FIRST_YEAR + number, 1, 1, tzinfo=UTC) if instant else str(_FIRST_PLACE + number)
            for number, instant in enumerate(instants)
        ]
        made = query(*arguments)
        places = [str(_as_held(argument)) for argument in arguments]
        self.model = made.model
        self.sql, parameters = made.query.sql_with_params()
        self._own = list(parameters)
        self._at = [(at, places.index(str(value))) for at, value in enumerate(parameters) if str(value) in places]
        if {number for _at, number in self._at} != set(range(len(places))):
            raise TypeError(f"{query.__qualname__}: its arguments are not values of the query")

    def values(self, given: Sequence[Any]) -> list[Any]:
        values = self._own.copy()
        for at, number in self._at:
            values[at] = _as_held(given[number])
        return values
