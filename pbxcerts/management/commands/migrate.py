"""`manage.py migrate`: Django's own, also where nothing has been installed yet."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from pbxcerts.processes import startup


class Command(migrate.Command):
    def execute(self, *args: Any, **options: Any) -> str | None:
        # Before `handle`, as the checks open the database.
        try:
            startup.make_files()
            with startup.one_at_a_time():
                startup.refuse_newer_database()
                return super().execute(*args, **options)
        except startup.StartupError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
