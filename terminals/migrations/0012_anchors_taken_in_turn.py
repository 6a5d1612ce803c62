from django.db import migrations, models


class Migration(migrations.Migration):
    """Which trust anchors each address has taken, where they come in turn, and when it asked first."""

    dependencies = [("terminals", "0011_tallies")]

    operations = [
        migrations.AddField(model_name="requester", name="first_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="requester", name="holds", field=models.JSONField(default=list)),
        migrations.AddField(model_name="requester", name="held_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="requester", name="change", field=models.BigIntegerField(db_index=True, default=0)
        ),
    ]
