"""`manage.py migrate`: Django's own, also where nothing has been installed yet."""

from typing import Any

from django.core.management.commands import migrate

from pbxcerts import installation


class Command(migrate.Command):
    def execute(self, *args: Any, **options: Any) -> str | None:
        # Before `handle`, as the checks open the database.
        installation.make_files()
        return super().execute(*args, **options)
