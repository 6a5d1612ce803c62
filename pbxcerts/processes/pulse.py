"""What the supervisor sees of the cluster: the row that the heartbeat changes, read without Django.

The row is the proof of life, not the process list: a worker killed while it waited for work is replaced, and no task ever runs
again (django-q2 1.11). A short connection for each look, so that none is open when a process is started
(rule proof-of-life).
"""

from __future__ import annotations

import select
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pbxcerts.system.machines.machine_key import queue_of

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

BEATS = "SELECT beats FROM system_heartbeat WHERE key = '{machine}'"
WAITING = "SELECT count(*) FROM django_q_ormq WHERE key = '{queue}'"
ANSWERS_WITHIN = 5
"""Seconds that PostgreSQL has for the connection, and again for the answer."""


@dataclass(frozen=True)
class Pulse:
    beats: int
    """Counted up by each heartbeat; two looks that differ are life."""
    waiting: int
    """Tasks in the queue, those being worked on included. It grows only where nobody works them off, or nobody takes note
    that they are done: then each is repeated for ever."""


class NoPulseError(Exception):
    """The database cannot be read just now."""


def read(sqlite_file: Path | None, machine: str) -> Pulse:
    """Look at the row of this machine in the SQLite file or, where there is none, in the PostgreSQL of PBXCERTS_DATABASE."""
    # Hex digits that we have made ourselves, so they may stand in a statement.
    beats, waiting = BEATS.format(machine=machine), WAITING.format(queue=queue_of(machine))
    return _read_postgresql(beats, waiting) if sqlite_file is None else _read_sqlite(sqlite_file, beats, waiting)


def _read_sqlite(file: Path, of_beats: str, of_waiting: str) -> Pulse:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            beats = connection.execute(of_beats).fetchone()
            (waiting,) = connection.execute(of_waiting).fetchone()
    except sqlite3.Error as error:
        raise NoPulseError(str(error)) from error
    return Pulse(beats[0] if beats else 0, waiting)


@cache
def _url() -> str:
    """Read once: the supervisor must not end because a file of secrets is away later."""
    # Here, not above: the supervisor of the embedded default stays small.
    from pbxcerts import env

    return env.secret_text("DATABASE")


def _read_postgresql(of_beats: str, of_waiting: str) -> Pulse:
    # Here, not above: the supervisor of the embedded default stays small.
    import psycopg

    try:
        with closing(psycopg.connect(_url(), connect_timeout=ANSWERS_WITHIN, autocommit=True)) as connection:
            beats, waiting = _ask(connection.pgconn, f"SELECT ({of_beats}), ({of_waiting})")
    except psycopg.Error as error:
        raise NoPulseError(str(error)) from error
    return Pulse(int(beats or 0), int(waiting or 0))


def _ask(connection: PGconn, query: str) -> list[bytes | None]:
    """The one row of an answer. Whoever supervises waits for no lock and no server that hangs. Raises NoPulseError."""
    until = time.monotonic() + ANSWERS_WITHIN
    connection.send_query(query.encode())
    while connection.is_busy():
        if not select.select([connection.socket], [], [], max(0.0, until - time.monotonic()))[0]:
            raise NoPulseError(f"no answer within {ANSWERS_WITHIN} s")
        connection.consume_input()
    result = connection.get_result()
    if result is None or not result.ntuples:
        raise NoPulseError(connection.error_message.decode(errors="replace").strip())
    return [result.get_value(0, column) for column in range(result.nfields)]
