"""One worker at a time asks terminals (rule one-round)."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, InterfaceError, connection

_ROUND = 0x7062_7863_7264_6E64
"""The key of PostgreSQL's advisory lock, which is of one database."""


@contextmanager
def the_only_round() -> Iterator[bool]:
    """Whether no other worker is in the middle of a round. The lock belongs to the connection, so it ends with its process. With
    SQLite there is one worker.
    """
    if connection.vendor != "postgresql":
        yield True
        return
    is_mine = _ask("SELECT pg_try_advisory_lock(%s)")
    try:
        yield is_mine
    finally:
        if is_mine:
            # A connection that was lost has let go of it.
            with suppress(DatabaseError, InterfaceError):
                _ask("SELECT pg_advisory_unlock(%s)")


def _ask(question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [_ROUND])
        return bool(cursor.fetchone()[0])
