from django.db import migrations, models

from pbxcerts.system.network.one_address import source_of


def name_sources(apps, schema_editor):
    discovered = apps.get_model("terminals", "Discovered")
    for phone in discovered.objects.all():
        phone.source = source_of(phone.address)
        phone.save(update_fields=["source"])


class Migration(migrations.Migration):
    dependencies = [("terminals", "0009_challenges")]

    operations = [
        migrations.AddField(
            model_name="discovered",
            name="source",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(name_sources, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="discovered",
            name="mac",
            field=models.CharField(max_length=12, verbose_name="MAC"),
        ),
        migrations.AddConstraint(
            model_name="discovered",
            constraint=models.UniqueConstraint(
                models.F("mac"), models.F("source"), name="discovered_once_at_each_address"
            ),
        ),
    ]
