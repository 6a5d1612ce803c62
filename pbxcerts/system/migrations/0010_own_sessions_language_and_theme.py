import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def take_along(apps, schema_editor):
    """Nobody is logged out: the rows are signed as before. Whose each one is, is written down when it is used next."""
    alias = schema_editor.connection.alias
    before = apps.get_model("sessions", "Session").objects.using(alias)
    own = apps.get_model("system", "Session").objects.using(alias)
    rows = before.values("session_key", "session_data", "expire_date")
    own.bulk_create([own.model(**row) for row in rows.iterator()], batch_size=500)
    before.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("sessions", "0001_initial"),
        ("system", "0009_a_heartbeat_for_each_machine"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(blank=True, editable=False, max_length=16, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="theme",
            field=models.CharField(blank=True, editable=False, max_length=8, null=True),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("theme__in", ["", "light", "dark"])), name="user_theme_is_known"
            ),
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "session_key",
                    models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key"),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"verbose_name": "session", "verbose_name_plural": "sessions", "abstract": False},
        ),
        # The last: PostgreSQL makes no index on a table with rows that were changed in the same transaction.
        migrations.RunPython(take_along, migrations.RunPython.noop),
    ]
