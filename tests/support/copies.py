"""A copy of the database, put back later: what an administrator does who restores a backup of the data directory."""

import copy

from django.db import connection

from certificates.models import Generation, Settings, StoreDecision, Switch, Transition
from pbxcerts.system.models import General, new_installation

ASK = {
    "sqlite": "SELECT name, seq FROM sqlite_sequence",
    "postgresql": "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL",
}
SET = {
    "sqlite": "UPDATE sqlite_sequence SET seq = %s WHERE name = %s",
    "postgresql": "SELECT pg_catalog.setval(name::regclass, last) FROM (SELECT %s::bigint AS last, %s AS name) AS one",
}
KINDS = (General, Settings, Generation, Transition, Switch)


class DatabaseCopy:
    """Of the rows that a restore brings back, and of where the database goes on counting."""

    def __init__(self) -> None:
        self._rows = {kind: list(kind._default_manager.all()) for kind in KINDS}
        self._counted = self._sequences()

    @staticmethod
    def empty() -> None:
        """A new installation, with the settings of the one before."""
        for kind in (StoreDecision, Switch, Transition):
            kind.objects.all().delete()
        Generation.objects.update(took_over_from=None)
        Generation.objects.all().delete()
        General.objects.update(installation=new_installation())

    def put_back(self) -> None:
        self.empty()
        for kind in (Generation, Transition, Switch):
            kind.objects.bulk_create(copy.deepcopy(sorted(self._rows[kind], key=lambda row: row.pk)))
        for kind in (General, Settings):
            for row in copy.deepcopy(self._rows[kind]):
                row.save()
        with connection.cursor() as cursor:
            for table, last in self._counted.items():
                cursor.execute(SET[connection.vendor], [last, table])

    @staticmethod
    def _sequences() -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute(ASK[connection.vendor])
            counted = dict(cursor.fetchall())
        # A sequence is called after its table. What is not put back goes on counting.
        tables = tuple(kind._meta.db_table for kind in KINDS)
        return {name: last for name, last in counted.items() if name.startswith(tables)}
