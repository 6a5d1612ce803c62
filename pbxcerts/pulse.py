"""What the supervisor sees of the cluster: the row that the heartbeat changes, read without Django.

The row is the proof of life, not the process list: a worker killed while it waited for work is replaced, and no task ever runs
again (django-q2 1.11). A short connection for each look, so that none is open when a process is started.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

BEATS = "SELECT beats FROM system_heartbeat"
WAITING = "SELECT count(*) FROM django_q_ormq"


@dataclass(frozen=True)
class Pulse:
    beats: int
    """Counted up by each heartbeat; two looks that differ are life."""
    waiting: int
    """Tasks in the queue, those being worked on included. It grows only where nobody works them off, or nobody takes note
    that they are done: then each is repeated for ever."""


class NoPulseError(Exception):
    """The database cannot be read just now."""


def read(sqlite_file: Path | None) -> Pulse:
    """Look at the row in the SQLite file or, where there is none, in the PostgreSQL of PBXCERTS_DATABASE."""
    return _read_postgresql() if sqlite_file is None else _read_sqlite(sqlite_file)


def _read_sqlite(file: Path) -> Pulse:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            beats = connection.execute(BEATS).fetchone()
            (waiting,) = connection.execute(WAITING).fetchone()
    except sqlite3.Error as error:
        raise NoPulseError(str(error)) from error
    return Pulse(beats[0] if beats else 0, waiting)


def _read_postgresql() -> Pulse:
    # Here, not above: the supervisor of the embedded default stays small.
    import psycopg

    from pbxcerts import env

    try:
        with psycopg.connect(env.text("DATABASE"), connect_timeout=5) as connection:
            beats = connection.execute(BEATS).fetchone()
            counted = connection.execute(WAITING).fetchone()
    except psycopg.Error as error:
        raise NoPulseError(str(error)) from error
    return Pulse(beats[0] if beats else 0, counted[0] if counted else 0)
