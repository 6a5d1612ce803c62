"""The triggers that keep the tallies, as SQL of SQLite and of PostgreSQL (rule tally).

A trigger is part of the statement that changes a row, so no writer can forget it: neither Django's nor `terminals.batches`, nor a
person at the database's own prompt. SQLite has triggers for each row. On PostgreSQL they are for each statement: a count that
is changed a thousand times in one transaction would be found more slowly each time.

On SQLite a table that a later migration makes anew loses its triggers: that migration ends with `install`. What changes here
reaches no database that has its triggers already but by a new migration, as terminals/0024 is one; tests/upgrade asks for it.
"""
# ruff: noqa: S608 - everything in these statements is a constant

from __future__ import annotations

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from terminals.states import DeliveryState

_UNPROVED = DeliveryState.UNPROVED.value
"""The evidence is called as the state is."""
_KEYS = "generation_id, type_id, enabled, wave, state, excused, put_off, trusted, unproved"
_KEY_COLUMNS = ("generation_id", "terminal_id", "wave", "state", "excused", "postponed", "confirmed_at", "evidence")


def _key(row: str, terminal: str) -> str:
    """The columns of `_KEYS` of an installation and its terminal."""
    return (
        f"{row}.generation_id, {terminal}.type_id, {terminal}.enabled, {row}.wave, {row}.state, {row}.excused, "
        f"{row}.postponed > 0, {row}.confirmed_at IS NOT NULL, ({row}.evidence = '{_UNPROVED}' AND {row}.confirmed_at IS NULL)"
    )


LISTED = ("number", "mac", "type_id", "path_secret", "token_sha256", "address", "own_lines")
"""What the listeners answer by (`terminals.web.snapshot.SnapshotTerminal`)."""
_ONE_MORE_CHANGE = (
    "INSERT INTO terminals_listchanges (singleton, count) VALUES (TRUE, 1) "
    "ON CONFLICT (singleton) DO UPDATE SET count = terminals_listchanges.count + 1"
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers, in place of those that are there, and count all once."""
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            cursor.execute(statement)


def statements(vendor: str) -> list[str]:
    """Of `install`."""
    return [*(_postgresql() if vendor == "postgresql" else _sqlite()), *_RECOUNT]


def remove(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        for statement in _dropped_postgresql() if connection.vendor == "postgresql" else _dropped_sqlite():
            cursor.execute(statement)


def recount(connection: BaseDatabaseWrapper) -> None:
    """Count all anew. The caller is the one writer."""
    with connection.cursor() as cursor:
        for statement in _RECOUNT:
            cursor.execute(statement)


_RECOUNT: tuple[str, ...] = (
    "DELETE FROM terminals_terminaltally",
    "INSERT INTO terminals_terminaltally (type_id, enabled, count) "
    "SELECT type_id, enabled, count(*) FROM terminals_terminal GROUP BY type_id, enabled",
    "DELETE FROM terminals_installationtally",
    f"INSERT INTO terminals_installationtally ({_KEYS}, count) SELECT {_key('i', 't')}, count(*) "
    "FROM terminals_installation i JOIN terminals_terminal t ON t.id = i.terminal_id GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
    "DELETE FROM terminals_sharedaddress",
    "INSERT INTO terminals_sharedaddress (address, count) SELECT address, count(*) FROM terminals_terminal "
    "WHERE enabled AND address <> '' GROUP BY address HAVING count(*) > 1",
)


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _sqlite() -> Iterable[str]:
    yield from _dropped_sqlite()
    changed, listed = (
        " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in names) for names in (_KEY_COLUMNS, LISTED)
    )
    yield from (
        _sqlite_trigger("installation", "insert", "AFTER INSERT ON terminals_installation", [_more("NEW")]),
        _sqlite_trigger("installation", "delete", "AFTER DELETE ON terminals_installation", [_fewer("OLD")]),
        _sqlite_trigger(
            "installation",
            "update",
            f"AFTER UPDATE OF {', '.join(_KEY_COLUMNS)} ON terminals_installation WHEN {changed}",
            [_fewer("OLD"), _more("NEW")],
        ),
        _sqlite_trigger(
            "terminal",
            "insert",
            "AFTER INSERT ON terminals_terminal",
            [_one_terminal("NEW", 1), *_gained("NEW"), _ONE_MORE_CHANGE],
        ),
        _sqlite_trigger(
            "terminal",
            "delete",
            "AFTER DELETE ON terminals_terminal",
            [_one_terminal("OLD", -1), *_lost("OLD"), _ONE_MORE_CHANGE],
        ),
        _sqlite_trigger(
            "terminal",
            "update",
            "AFTER UPDATE OF type_id, enabled ON terminals_terminal WHEN OLD.type_id <> NEW.type_id OR OLD.enabled <> NEW.enabled",
            [
                _one_terminal("OLD", -1),
                _one_terminal("NEW", 1),
                _its_installations("OLD", -1),
                _its_installations("NEW", 1),
            ],
        ),
        _sqlite_trigger(
            "address",
            "update",
            "AFTER UPDATE OF address, enabled ON terminals_terminal WHEN OLD.address <> NEW.address OR OLD.enabled <> NEW.enabled",
            [*_lost("OLD"), *_gained("NEW")],
        ),
        _sqlite_trigger(
            "list",
            "update",
            f"AFTER UPDATE OF {', '.join(LISTED)} ON terminals_terminal WHEN {listed}",
            [_ONE_MORE_CHANGE],
        ),
    )


def _sqlite_trigger(of: str, event: str, when: str, statements: Iterable[str]) -> str:
    return f"CREATE TRIGGER tally_{of}_{event} {when} BEGIN {'; '.join(statements)}; END"


def _dropped_sqlite() -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {name}" for name in TRIGGERS]


TRIGGERS = tuple(
    f"tally_{of}_{event}"
    for of, events in {
        "installation": ("insert", "update", "delete"),
        "terminal": ("insert", "update", "delete"),
        "address": ("update",),
        "list": ("update",),
    }.items()
    for event in events
)
"""Those of SQLite; on PostgreSQL those of the addresses and of the list are one with that of the terminals."""


def _more(row: str) -> str:
    return (
        f"INSERT INTO terminals_installationtally ({_KEYS}, count) "
        f"SELECT {_key(row, 't')}, 1 FROM terminals_terminal t WHERE t.id = {row}.terminal_id "
        f"ON CONFLICT ({_KEYS}) DO UPDATE SET count = count + 1"
    )


def _fewer(row: str) -> str:
    return (
        f"UPDATE terminals_installationtally SET count = count - 1 WHERE ({_KEYS}) = "
        f"(SELECT {_key(row, 't')} FROM terminals_terminal t WHERE t.id = {row}.terminal_id)"
    )


def _one_terminal(row: str, by: int) -> str:
    return (
        f"INSERT INTO terminals_terminaltally (type_id, enabled, count) VALUES ({row}.type_id, {row}.enabled, {by}) "
        f"ON CONFLICT (type_id, enabled) DO UPDATE SET count = count + {by}"
    )


def _its_installations(terminal: str, by: int) -> str:
    return (
        f"INSERT INTO terminals_installationtally ({_KEYS}, count) "
        f"SELECT {_key('i', terminal)}, {by} FROM terminals_installation i WHERE i.terminal_id = {terminal}.id "
        f"ON CONFLICT ({_KEYS}) DO UPDATE SET count = count + {by}"
    )


def _gained(row: str) -> list[str]:
    """The second to have an address makes it a shared one."""
    return [
        f"UPDATE terminals_sharedaddress SET count = count + 1 WHERE {row}.enabled AND address = {row}.address",
        f"INSERT INTO terminals_sharedaddress (address, count) SELECT {row}.address, 2 "
        f"WHERE {row}.enabled AND {row}.address <> '' "
        f"AND NOT EXISTS (SELECT 1 FROM terminals_sharedaddress WHERE address = {row}.address) "
        f"AND EXISTS (SELECT 1 FROM terminals_terminal t WHERE t.address = {row}.address AND t.enabled AND t.id <> {row}.id)",
    ]


def _lost(row: str) -> list[str]:
    return [
        f"UPDATE terminals_sharedaddress SET count = count - 1 WHERE {row}.enabled AND address = {row}.address",
        f"DELETE FROM terminals_sharedaddress WHERE address = {row}.address AND count < 2",
    ]


# -- PostgreSQL --------------------------------------------------------------------------------------------------------

_OF_INSTALLATIONS = f"""
CREATE FUNCTION tally_installation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO terminals_installationtally AS known ({_KEYS}, count)
        SELECT {_key("i", "t")}, -count(*) FROM old_rows i JOIN terminals_terminal t ON t.id = i.terminal_id
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ON CONFLICT ({_KEYS}) DO UPDATE SET count = known.count + excluded.count;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO terminals_installationtally AS known ({_KEYS}, count)
        SELECT {_key("i", "t")}, count(*) FROM new_rows i JOIN terminals_terminal t ON t.id = i.terminal_id
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ON CONFLICT ({_KEYS}) DO UPDATE SET count = known.count + excluded.count;
    END IF;
    RETURN NULL;
END $$
"""
_OF_TERMINALS = f"""
CREATE FUNCTION tally_terminal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    addresses text[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO terminals_terminaltally AS known (type_id, enabled, count)
        SELECT type_id, enabled, count(*) FROM new_rows GROUP BY 1, 2
        ON CONFLICT (type_id, enabled) DO UPDATE SET count = known.count + excluded.count;
        addresses := ARRAY(SELECT DISTINCT address FROM new_rows WHERE address <> '');
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO terminals_terminaltally AS known (type_id, enabled, count)
        SELECT type_id, enabled, -count(*) FROM old_rows GROUP BY 1, 2
        ON CONFLICT (type_id, enabled) DO UPDATE SET count = known.count + excluded.count;
        addresses := ARRAY(SELECT DISTINCT address FROM old_rows WHERE address <> '');
    ELSE
        INSERT INTO terminals_terminaltally AS known (type_id, enabled, count)
        SELECT type_id, enabled, sum(by) FROM (
            SELECT o.type_id, o.enabled, -1 AS by FROM old_rows o JOIN new_rows n ON n.id = o.id
            WHERE (o.type_id, o.enabled) <> (n.type_id, n.enabled)
            UNION ALL
            SELECT n.type_id, n.enabled, 1 FROM old_rows o JOIN new_rows n ON n.id = o.id
            WHERE (o.type_id, o.enabled) <> (n.type_id, n.enabled)
        ) moved GROUP BY 1, 2
        ON CONFLICT (type_id, enabled) DO UPDATE SET count = known.count + excluded.count;
        INSERT INTO terminals_installationtally AS known ({_KEYS}, count)
        SELECT {_KEYS}, sum(by) FROM (
            SELECT {_key("i", "o")}, -1 FROM old_rows o JOIN new_rows n ON n.id = o.id
            JOIN terminals_installation i ON i.terminal_id = o.id WHERE (o.type_id, o.enabled) <> (n.type_id, n.enabled)
            UNION ALL
            SELECT {_key("i", "n")}, 1 FROM old_rows o JOIN new_rows n ON n.id = o.id
            JOIN terminals_installation i ON i.terminal_id = o.id WHERE (o.type_id, o.enabled) <> (n.type_id, n.enabled)
        ) moved ({_KEYS}, by) GROUP BY {_KEYS}
        ON CONFLICT ({_KEYS}) DO UPDATE SET count = known.count + excluded.count;
        addresses := ARRAY(
            SELECT o.address FROM old_rows o JOIN new_rows n ON n.id = o.id
            WHERE o.address <> '' AND (o.address, o.enabled) <> (n.address, n.enabled)
            UNION
            SELECT n.address FROM old_rows o JOIN new_rows n ON n.id = o.id
            WHERE n.address <> '' AND (o.address, o.enabled) <> (n.address, n.enabled)
        );
    END IF;
    IF TG_OP <> 'UPDATE' THEN
        {_ONE_MORE_CHANGE};
    ELSIF EXISTS (
        SELECT 1 FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE ({", ".join(f"o.{name}" for name in LISTED)}) IS DISTINCT FROM ({", ".join(f"n.{name}" for name in LISTED)})
    ) THEN
        {_ONE_MORE_CHANGE};
    END IF;
    IF cardinality(addresses) > 0 THEN
        DELETE FROM terminals_sharedaddress WHERE address = ANY (addresses);
        INSERT INTO terminals_sharedaddress (address, count)
        SELECT address, count(*) FROM terminals_terminal WHERE enabled AND address = ANY (addresses)
        GROUP BY address HAVING count(*) > 1 ON CONFLICT (address) DO UPDATE SET count = excluded.count;
    END IF;
    RETURN NULL;
END $$
"""
_SEEN_BY = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
}


def _postgresql() -> Iterable[str]:
    yield from functions_of_postgresql()
    for of in ("installation", "terminal"):
        for event, seen_by in _SEEN_BY.items():
            yield (
                f"CREATE TRIGGER tally_{of}_{event} AFTER {event.upper()} ON terminals_{of} {seen_by} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION tally_{of}()"
            )


def functions_of_postgresql() -> list[str]:
    """What the triggers call. A dump of tables holds the triggers without them, so a restore makes them before the tables."""
    return [*_dropped_postgresql(), _OF_INSTALLATIONS, _OF_TERMINALS]


def _dropped_postgresql() -> list[str]:
    """With the functions go their triggers."""
    return [f"DROP FUNCTION IF EXISTS tally_{of}() CASCADE" for of in ("installation", "terminal")]
