from django.db import migrations

from terminals.directory import search_index
from terminals.tally import triggers

INSTALLS = "c206c644ab2c57af64a402ade0aeaefeddf7dbbaa379fffadfac0bc125d8d8a4"
"""The SHA-256 of the statements that this migration carries out. Where they have changed since, another one like this is due."""


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)
    search_index.install(schema_editor.connection)


class Migration(migrations.Migration):
    """What keeps tallies and search is in every database as in a new one, whichever version made it. All is counted anew."""

    dependencies = [("terminals", "0023_checks_by_itself")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
