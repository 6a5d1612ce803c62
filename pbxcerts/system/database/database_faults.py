"""Why the database can't be used and what to do, in a sentence for a person at a terminal. No password is in it."""

from pathlib import Path

from django.db import DatabaseError, InterfaceError, NotSupportedError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from pbxcerts.system.database.database_lock import is_away, is_locked

DEFAULT_PORT = "5432"
REFUSED = "FATAL:"
"""With this word PostgreSQL begins why it lets nobody in; where it can't be reached, libpq says why. Neither has a code of its own."""


def why_unusable(error: DatabaseError | InterfaceError) -> str:
    if why := why_no_database(error):
        return why
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return _(
                "The database is not up to date: start this version with “pbxcerts up”, or run “pbxcerts migrate”."
            )
    except DatabaseError:
        # It can't be asked for its state either; what it said first is what counts.
        pass
    else:
        if is_locked(error):
            return _("The database is locked by another process. Try again in a moment.")
    return _("The database %(database)s can't be used. (%(said)s)") % {
        "database": _where(),
        "said": in_its_words(error),
    }


def why_no_database(error: DatabaseError | InterfaceError) -> str:
    """Why there is none that could be used at all: it can't be reached, lets nobody in, or is too old. "" where it is another fault."""
    if isinstance(error, NotSupportedError) and connection.vendor == "postgresql":
        return _(
            "The database %(database)s is a PostgreSQL %(found)s; version %(least)s or later is needed. Upgrade PostgreSQL there, or name "
            "another one in PBXCERTS_DATABASE."
        ) % {
            "database": _where(),
            "found": ".".join(map(str, connection.get_database_version())),
            "least": ".".join(map(str, connection.features.minimum_database_version or ())),
        }
    if not is_away(error):
        return ""
    said = in_its_words(error)
    if REFUSED in said:
        return _(
            "PostgreSQL does not let pbxcerts in to the database %(database)s as the user “%(user)s”. Name, user and password stand in "
            "PBXCERTS_DATABASE: put right what is wrong there or at the server; where it only just starts, try again in a moment. (%(said)s)"
        ) % {"database": _where(), "user": connection.settings_dict["USER"], "said": said.partition(REFUSED)[2].strip()}
    return _(
        "There is no way to the database %(database)s. Start PostgreSQL there or make the way free; host and port stand in "
        "PBXCERTS_DATABASE. (%(said)s)"
    ) % {"database": _where(), "said": said}


def in_its_words(error: BaseException) -> str:
    """What the driver said, in one line: it adds advice of its own, and each address that it has tried."""
    return str(error).strip().partition("\n")[0].removeprefix("connection failed: ").rstrip(".?!")


def _where() -> str:
    """The name of the database and the server it is on, or its file."""
    given = connection.settings_dict
    if isinstance(given["NAME"], Path):
        return str(given["NAME"])
    host = given["OPTIONS"].get("host") or given["HOST"] or "localhost"
    port = given["OPTIONS"].get("port") or given["PORT"] or DEFAULT_PORT
    server = host if host.startswith("/") else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return _("“%(name)s” at %(server)s") % {"name": given["NAME"], "server": server}
