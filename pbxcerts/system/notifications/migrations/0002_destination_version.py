from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_destinations")]

    operations = [
        migrations.AddField("destination", "version", models.PositiveIntegerField(default=0, editable=False)),
    ]
