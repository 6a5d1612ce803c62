from django.db import migrations, models


class Migration(migrations.Migration):
    """How often the terminals of a type ask by themselves, where a person knows it."""

    dependencies = [("terminals", "0013_guides_of_own_provisioning")]

    operations = [
        migrations.AddField(
            model_name="terminaltype",
            name="asks_every_hours",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="asks by itself every (hours)"),
        )
    ]
