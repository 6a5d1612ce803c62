from django.db import migrations, models


class Migration(migrations.Migration):
    """By which two machines with the same key are found out."""

    dependencies = [("system", "0011_swiss_spelling_and_any_language")]

    operations = [
        migrations.AddField(model_name="heartbeat", name="starts", field=models.JSONField(default=dict)),
    ]
