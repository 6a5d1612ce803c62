"""Errors that say that another process has locked the database for longer than we wait, or that there is no way to it."""

import logging
import traceback

from django.db import InterfaceError, OperationalError, connection


def is_locked(error: BaseException | None) -> bool:
    return isinstance(error, OperationalError) and "locked" in str(error)


AWAY = ("08", "57P", "53300")
"""What the SQLSTATE of PostgreSQL begins with: no connection, it shuts down or starts, it takes no more connections."""


def is_away(error: BaseException | None) -> bool:
    """Whether the database server can't be reached now. Of a connection that never came about there is no SQLSTATE."""
    if not isinstance(error, OperationalError | InterfaceError) or connection.vendor != "postgresql":
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(AWAY)


def let_go_of(error: BaseException | None) -> None:
    """Free the cursors that the frames of an error hold, in the thread that it happened in.

    Django's errors of the database are garbage with a cycle. An event loop that collected it would have to wait for that
    thread's connection, which may be waiting for the lock again by then: twenty seconds in which nobody is answered.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__


class SaidElsewhere(logging.Filter):
    """django-q2 writes a traceback at each try while the database is away, which the supervisor says once (rule said-on-change)."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not is_away(record.exc_info[1])
