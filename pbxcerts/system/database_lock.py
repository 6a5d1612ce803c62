"""Errors that say that another process has locked the database for longer than we wait."""

import traceback

from django.db import OperationalError


def is_locked(error: BaseException | None) -> bool:
    return isinstance(error, OperationalError) and "locked" in str(error)


def let_go_of(error: BaseException | None) -> None:
    """Free the cursors that the frames of an error hold, in the thread that it happened in.

    Django's errors of the database are garbage with a cycle. An event loop that collected it would have to wait for that
    thread's connection, which may be waiting for the lock again by then: twenty seconds in which nobody is answered.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
