from django.db import migrations

from terminals.known_types import KNOWN_TYPES


def add_known_types(apps, schema_editor):
    """What an administrator has named so already stays as it is."""
    TerminalType = apps.get_model("terminals", "TerminalType")
    TerminalType.objects.bulk_create([TerminalType(**values) for values in KNOWN_TYPES], ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("terminals", "0002_orders_and_import_file")]

    operations = [migrations.RunPython(add_known_types, migrations.RunPython.noop, elidable=False)]
