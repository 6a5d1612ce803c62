"""The seam to the databases' own tools: a consistent copy while everything goes on, and PostgreSQL's way back.

What must not outlive a restore is in no copy: the sessions of those who were logged in, and the queue of the worker, which holds
no state (rule orders-in-the-database).
"""

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.backends.sqlite3._functions import register as register_functions
from django.utils.translation import gettext as _

from pbxcerts import env
from pbxcerts.backup.errors import BackupDamaged, BackupNotMade, BackupUnfit, LivesElsewhere
from pbxcerts.processes import startup
from pbxcerts.system.models import Heartbeat
from terminals.directory import search_index
from terminals.tally.triggers import functions_of_postgresql

if TYPE_CHECKING:
    import psycopg

HEARTBEATS = "system_heartbeat"
LEFT_OUT = ("django_session", "system_session", "django_q_ormq")
WAITS = 20
"""Seconds for a lock that somebody else holds."""
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""The disk is full, or fails (EIO), or the file would be larger than what this user may write (EFBIG, EDQUOT): SQLite does not say
which.
"""
_COPY = re.compile(r"COPY [^;]+ FROM stdin;\n")


def is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def sqlite_file() -> Path:
    return Path(connection.settings_dict["NAME"])


# -- the copy ----------------------------------------------------------------------------------------------------------


def copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's own interface, in one step: it reads one state of the database, and nobody who writes waits for it. Raises
    BackupNotMade.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(_connected(source)) as original, closing(_connected(target)) as copy:
            original.backup(copy)
            # One file, and nothing of what is left out in its free pages.
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("PRAGMA secure_delete = ON")
            there = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in there.intersection(LEFT_OUT):
                copy.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
            said = _integrity(copy)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) not in NO_ROOM:
            raise BackupNotMade(_("The database can't be copied: %(reason)s.") % {"reason": error}) from error
        raise BackupNotMade(
            _(
                "The copy of the database can't be written to %(place)s: %(reason)s. Nothing was left there; make room, or allow this"
                " user larger files, and try again. Where neither is short, the disk fails (see the system's log): take another one."
            )
            % {"place": target.parent, "reason": error}
        ) from error
    if said:
        raise BackupNotMade(
            _("The database is damaged (%(reason)s), so no backup is made of it: restore an earlier one.")
            % {"reason": said}
        )


def check_sqlite(file: Path) -> set[tuple[str, str]]:
    """Whether the copy in a backup is whole; returns the migrations that were carried out on it, as app and name. Raises
    BackupDamaged.
    """
    try:
        with closing(_connected(file)) as copy:
            said = _integrity(copy)
            carried_out = set(copy.execute("SELECT app, name FROM django_migrations"))
    except sqlite3.Error as error:
        said, carried_out = str(error), set()
    if said:
        raise BackupDamaged(
            _("The database in the backup is damaged (%(reason)s). Take another backup.") % {"reason": said}
        )
    return carried_out


def _connected(file: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=WAITS, isolation_level=None)
    # The constraints that are checked call functions of Django's.
    register_functions(opened)
    return opened


def _integrity(database: sqlite3.Connection) -> str:
    """What is wrong with it, "" where nothing is."""
    (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    return "" if said == "ok" else str(said)


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def dump_postgresql(target: Path) -> None:
    """By pg_dump, which reads one state of the database: every table of ours, and none of others. Raises BackupNotMade."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    where, variables = _connection()
    tables = [f"--table={table}" for table in our_tables(connection.introspection.table_names())]
    done = _run(
        [
            *[_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"],
            *[f"--exclude-table-data={table}" for table in LEFT_OUT],
            *[*tables, f"--lock-wait-timeout={WAITS}s", f"--dbname={where}"],
        ],
        variables,
    )
    if done.returncode:
        raise BackupNotMade(_("The database can't be copied: %(reason)s.") % {"reason": _first_line(done.stderr)})


def check_postgresql(dump: Path) -> None:
    """Whether pg_restore can read what is in a backup. Raises BackupDamaged, or BackupNotMade where the program is missing."""
    done = _run([_program("pg_restore"), "--file=/dev/null", str(dump)], {})
    if done.returncode:
        raise BackupDamaged(
            _(
                "The database in the backup can't be read: %(reason)s. Take another backup, or install the PostgreSQL client of its version."
            )
            % {"reason": _first_line(done.stderr)}
        )


SignsOfLife = dict[str, tuple[int, dict[str, Any]]]


def signs_of_life_elsewhere() -> SignsOfLife | None:
    """What the other machines have shown in a PostgreSQL: each counts its beats, and a start of `up` leaves a word as a beat does
    (`pbxcerts.system.machines.clones`). None where it can't be known: of a version that knew one machine only.
    """
    if HEARTBEATS not in connection.introspection.table_names():
        return {}
    try:
        rows = Heartbeat.objects.exclude(key=settings.MACHINE).values_list("key", "beats", "starts")
        return {key: (beats, starts) for key, beats, starts in rows}
    except DatabaseError:
        connection.close()
        return None


def restore_postgresql(dump: Path, known: SignsOfLife | None) -> None:
    """Replace every table of ours by those of the dump, in one transaction: all or nothing. `known`: what the other machines had shown
    when it was decided that none of them lives.

    pg_restore makes the statements and this connection carries them out, because tables that a newer version has added must go in
    the same transaction, and because psql would also carry out commands of its own that somebody has put between the statements.
    Raises BackupUnfit and LivesElsewhere.
    """
    import psycopg

    said = _("The database can't be restored; it is as it was before: %(reason)s.")
    try:
        with (
            psycopg.connect(env.secret_text("DATABASE")) as database,
            subprocess.Popen(
                [_program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(dump)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            ) as restoring,
        ):
            assert restoring.stdout is not None  # noqa: S101 - as it was asked for
            assert restoring.stderr is not None  # noqa: S101
            database.execute(f"SET LOCAL lock_timeout = '{WAITS}s'")
            _keep_others_out(database, known)
            _drop_ours(database)
            for function in functions_of_postgresql():
                database.execute(function.encode())
            schema = _schema(database)
            _carry_out(database, restoring.stdout)
            _forget_machines(database, schema)
            complaint = restoring.stderr.read()
            if restoring.wait():
                raise BackupUnfit(said % {"reason": _first_line(complaint)})
    except psycopg.Error as error:
        raise BackupUnfit(said % {"reason": _first_line(str(error))}) from error


def _keep_others_out(database: "psycopg.Connection[Any]", known: SignsOfLife | None) -> None:
    """From here to the end of the transaction no `up` starts on the database and no heartbeat counts; what came after the decision has
    left its sign. Raises LivesElsewhere.
    """
    database.execute("SELECT pg_advisory_xact_lock(%s)", [startup.LOCK])
    there = database.execute("SELECT to_regclass(%s) IS NOT NULL", [HEARTBEATS]).fetchone()
    if known is None or there != (True,):
        return
    database.execute(f"LOCK TABLE {HEARTBEATS} IN ACCESS EXCLUSIVE MODE")
    rows = database.execute(
        f"SELECT key, name, beats, starts FROM {HEARTBEATS} WHERE key <> %s",  # noqa: S608 - a constant
        [settings.MACHINE],
    )
    came = sorted(name or key[:6] for key, name, beats, starts in rows if known.get(key) != (beats, starts))
    if came:
        raise LivesElsewhere(
            _(
                "On %(machines)s pbxcerts was started meanwhile, or has worked on this database. End it there, and restore again. Nothing"
                " has been changed."
            )
            % {"machines": ", ".join(came)}
        )


def _drop_ours(database: "psycopg.Connection[Any]") -> None:
    from psycopg import sql

    found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    for table in our_tables([name for (name,) in found]):
        database.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(table)))


def _schema(database: "psycopg.Connection[Any]") -> str:
    """The schema of our tables. The script sets another search path."""
    row = database.execute("SELECT current_schema()").fetchone()
    return str(row[0]) if row is not None else "public"


def _forget_machines(database: "psycopg.Connection[Any]", schema: str) -> None:
    """No machine of when the backup was made runs any more, so the first that starts publishes (rule one-publishes)."""
    from psycopg import sql

    known = "SELECT 1 FROM information_schema.columns WHERE (table_schema, table_name, column_name) = (%s, %s, %s)"
    # Older versions knew one machine only.
    if database.execute(known, (schema, HEARTBEATS, "publishes")).fetchone() is not None:
        table = sql.Identifier(schema, HEARTBEATS)
        database.execute(sql.SQL("UPDATE {} SET publishes = false, works = false, serves = false").format(table))


def _carry_out(database: "psycopg.Connection[Any]", script: IO[str]) -> None:
    """The script of pg_restore: statements, and rows behind each COPY. Lines for psql alone are left out, and the index of the search,
    which needs an extension that this database may lack: the next start of `up` makes it.
    """
    statement: list[str] = []
    with database.cursor() as cursor:
        for line in script:
            if _COPY.fullmatch(line):
                _execute(cursor, statement)
                with cursor.copy(line.encode()) as copy:
                    while (row := script.readline()) not in {"\\.\n", ""}:
                        copy.write(row)
            elif not line.startswith(("\\", "--", f"CREATE INDEX {search_index.INDEX} ")):
                statement.append(line)
        _execute(cursor, statement)


def _execute(cursor: "psycopg.Cursor[Any]", statement: list[str]) -> None:
    if text := "".join(statement).strip():
        cursor.execute(text.encode())
    statement.clear()


def our_tables(names: list[str]) -> list[str]:
    """Those of the product among the tables of a database, also of its versions to come."""
    ours = tuple(f"{label}_" for label in {"django", *(app.label for app in apps.get_app_configs())})
    return sorted(name for name in names if name.startswith(ours) and name.isidentifier())


def _connection() -> tuple[str, dict[str, str]]:
    """Where the database is, for a command line that everybody may read, and the variable with the password."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parameters = conninfo_to_dict(env.secret_text("DATABASE"))
    password = parameters.pop("password", None)
    return make_conninfo("", **parameters), {"PGPASSWORD": str(password)} if password else {}


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupNotMade(
            _(
                "With PostgreSQL a backup needs the program %(program)s: install the PostgreSQL client (Debian: postgresql-client)."
            )
            % {"program": name}
        )
    return found


def _run(command: list[str], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        env=env.of_the_caller() | {"LC_ALL": "C"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )


def _first_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0].removesuffix(".")[:300] if lines else "?"
