from django.db import migrations

# Those of the library that counted failed log-ins before: with names, addresses and what was typed.
TABLES = ["axes_accessattemptexpiration", "axes_accessattempt", "axes_accesslog", "axes_accessfailurelog"]


def drop_tables(apps, schema_editor):
    for table in TABLES:
        schema_editor.execute(f"DROP TABLE IF EXISTS {table}")
    schema_editor.execute("DELETE FROM django_migrations WHERE app = 'axes'")


class Migration(migrations.Migration):
    dependencies = [
        ("system", "0004_sessions_end"),
    ]

    operations = [
        migrations.RunPython(drop_tables, migrations.RunPython.noop),
    ]
