"""Queries that are put together once for each kind of database, because that takes longer than to ask them."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import cache, wraps
from threading import local
from typing import Any, NamedTuple, Self, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

M = TypeVar("M", bound=Model)


def prepared(query: Callable[..., QuerySet[M, M]]) -> Callable[..., list[M]]:
    """The rows of a query set. What changes from one time to the next are the arguments, each a value of the query: a number, a text
    or an instant.
    """
    put_together = cache(lambda _vendor, *instants: ModelsPutTogether(query, instants))

    @wraps(query)
    def ask(*values: Any) -> list[M]:
        return put_together(connection.vendor, *_are_instants(values)).models(values)

    return ask


def prepared_values(query: Callable[..., QuerySet[Any, tuple[Any, ...]]]) -> Callable[..., list[tuple[Any, ...]]]:
    """As `prepared`, of a query set of values that the database and Python hold alike: numbers and texts."""
    put_together = cache(lambda _vendor, *instants: PutTogether(query, instants))

    @wraps(query)
    def ask(*values: Any) -> list[tuple[Any, ...]]:
        return put_together(connection.vendor, *_are_instants(values)).rows(values)

    return ask


_FIRST_PLACE = 32_000
"""No query has such a constant, and any column of integers may hold it (PostgreSQL's smallest has 16 bits)."""
_FIRST_YEAR = 9000
"""The same of instants."""


def _with_texts(sql: str, parameters: Sequence[Any], *, but: Collection[str]) -> tuple[str, list[Any]]:
    """With the texts of the query written into it, and what is left of its parameters. SQLite makes a plan anew each time a value is
    bound that may decide for a partial index (sqlite.org/c3ref/prepare.html), which takes longer than to ask.
    """
    written, *between = sql.split("%s")
    left = []
    for value, after in zip(parameters, between, strict=True):
        if isinstance(value, str) and str(value) not in but:
            written += "'" + value.replace("'", "''").replace("%", "%%") + "'" + after
        else:
            written += "%s" + after
            left.append(value)
    return written, left


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
        compiler = made.query.get_compiler(using=connection.alias)
        self._sql, parameters = _with_texts(*compiler.as_sql(), but=places)
        self._keep(compiler)
        self._own = parameters
        if not parameters:
            self._sql = self._sql.replace("%%", "%")
        self._at = [(at, places.index(str(value))) for at, value in enumerate(parameters) if str(value) in places]
        if {number for _at, number in self._at} != set(range(len(places))):
            raise TypeError(f"{query.__qualname__}: its arguments are not values of the query")

    def _keep(self, compiler: SQLCompiler) -> None:
        """What else is wanted of the compiler, which belongs to a connection and is not kept."""

    def values(self, given: Sequence[Any]) -> list[Any]:
        values = self._own.copy()
        for at, number in self._at:
            values[at] = _as_held(given[number])
        return values

    def rows(self, given: Sequence[Any]) -> list[tuple[Any, ...]]:
        """As the database has them."""
        with connection.cursor() as cursor:
            # Without parameters Django need not look for their places in it.
            cursor.execute(self._sql, self.values(given) or None)
            return list(cursor.fetchall())


class ModelsPutTogether(PutTogether):
    """How its rows become models, as `django.db.models.query.ModelIterable` does it: that is worked out once, too. Of relations those
    are followed that `select_related` names, one step far.
    """

    def _keep(self, compiler: SQLCompiler) -> None:
        info, columns = compiler.klass_info, [column for column, *_ in compiler.select]
        self._model = _Columns.of(info, columns)
        self._related = [
            (_Columns.of(related, columns), related["local_setter"]) for related in info.get("related_klass_infos", [])
        ]
        self._annotations = dict(compiler.annotation_col_map or {})
        self._converted = [(at, columns[at]) for at in compiler.get_converters(columns)]
        self._of_thread = local()

    def models(self, given: Sequence[Any]) -> list[Any]:
        converters = self.converters()
        return [self._as_model(list(row), converters) for row in self.rows(given)]

    def converters(self) -> list[tuple[int, Any, list[Callable[..., Any]]]]:
        """Each belongs to a connection, and so to a thread; to ask for them takes longer than to use them."""
        ops = connection.ops
        if getattr(self._of_thread, "ops", None) is not ops:
            self._of_thread.ops = ops
            self._of_thread.converters = [
                (at, column, [*ops.get_db_converters(column), *column.get_db_converters(connection)])
                for at, column in self._converted
            ]
        converters: list[tuple[int, Any, list[Callable[..., Any]]]] = self._of_thread.converters
        return converters

    def _as_model(self, row: list[Any], converters: list[tuple[int, Any, list[Callable[..., Any]]]]) -> Any:
        for at, column, convert in converters:
            for each in convert:
                row[at] = each(row[at], column, connection)
        model = self._model.made_of(row)
        for columns, relate in self._related:
            relate(model, None if row[columns.key] is None else columns.made_of(row))
        for name, at in self._annotations.items():
            setattr(model, name, row[at])
        return model


class _Columns(NamedTuple):
    """Which columns of a row are a model's, and which of them is its key."""

    model: type[Model]
    names: list[str]
    places: list[int]
    key: int

    @classmethod
    def of(cls, info: dict[str, Any], columns: list[Any]) -> Self:
        model, places = info["model"], info["select_fields"]
        names = [columns[at].target.attname for at in places]
        return cls(model, names, places, places[names.index(model._meta.pk.attname)])

    def made_of(self, row: list[Any]) -> Model:
        return self.model.from_db(connection.alias, self.names, [row[at] for at in self.places])
