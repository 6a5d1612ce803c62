from django.db import migrations

from terminals.directory import search_index


def install(apps, schema_editor):
    search_index.make_where_missing(schema_editor.connection)


class Migration(migrations.Migration):
    """On PostgreSQL too the list is searched by an index, where the extension pg_trgm can be made."""

    dependencies = [("terminals", "0017_held_proved")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
