"""What stands in a database beside Django's tables and fields: triggers, functions, and the index of the search, each by its name."""

from terminals.directory import search_index

_OF_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' OR name LIKE %s"
_OF_POSTGRESQL = (
    "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
    "UNION ALL SELECT proname, pg_get_functiondef(oid) FROM pg_proc "
    "WHERE pronamespace = 'public'::regnamespace AND prorettype = 'trigger'::regtype "
    "UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE %s"
)


def made_by_sql(connection):
    with connection.cursor() as cursor:
        cursor.execute(_OF_POSTGRESQL if connection.vendor == "postgresql" else _OF_SQLITE, [f"{search_index.INDEX}%"])
        return sorted(cursor.fetchall())
