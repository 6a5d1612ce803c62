from django.db import migrations, models


def keep_the_row(apps, schema_editor):
    """The one row there was: the next start takes it over for its machine, which published."""
    apps.get_model("system", "Heartbeat").objects.using(schema_editor.connection.alias).update(key="", publishes=True)


class Migration(migrations.Migration):
    dependencies = [("system", "0008_backup_schedule")]

    operations = [
        migrations.AddField("clockcheck", "machine", models.CharField(blank=True, max_length=32)),
        migrations.RemoveConstraint("heartbeat", "one_row_of_heartbeat"),
        migrations.RenameField("heartbeat", "singleton", "key"),
        migrations.AlterField(
            "heartbeat", "key", models.CharField(blank=True, max_length=32, primary_key=True, serialize=False)
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="database_ahead",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="database_ahead_of_machine",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="failing",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="name",
            field=models.CharField(blank=True, max_length=253),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="names_store",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="publishes",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="secrets",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="seen",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="serves",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="store_mark",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="store_standing",
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="version",
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="works",
            field=models.BooleanField(default=False),
        ),
        migrations.AddConstraint(
            model_name="heartbeat",
            constraint=models.UniqueConstraint(
                condition=models.Q(("publishes", True)), fields=("publishes",), name="at_most_one_machine_publishes"
            ),
        ),
        # The last: PostgreSQL makes no index on a table with rows that were changed in the same transaction.
        migrations.RunPython(keep_the_row, migrations.RunPython.noop),
    ]
