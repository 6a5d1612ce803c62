"""Which version of the product a database is of: by the migrations that have been carried out on it."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from pbxcerts import __version__

OURS = ("system", "notifications", "backup", "certificates", "terminals")
"""Other apps may give up migrations between their versions; ours never do."""


def why_too_new() -> str:
    """Why this version must not work on the database, in a sentence: a newer one has changed its tables. "" where it may."""
    newer = newer_among(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())
    if not newer:
        return ""
    return _(
        "A newer version of pbxcerts has changed the database (%(migration)s), and version %(version)s must not write to it: install "
        "the newer version, or restore a backup that version %(version)s has made."
    ) % {"migration": newer, "version": __version__}


def newer_among(carried_out: Iterable[str]) -> str:
    """A migration of ours, as in "system.0001_initial", that this version does not know; "" where it knows them all."""
    migrations = (name.partition(".") for name in carried_out)
    unknown = [f"{app}.{name}" for app, _dot, name in migrations if app in OURS and name not in _known(app)]
    return max(unknown, default="")


@cache
def _known(app: str) -> set[str]:
    migrations = import_module(f"{apps.get_app_config(app).name}.migrations")
    return {module.name for module in iter_modules(migrations.__path__)}
