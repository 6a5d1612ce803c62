from django.db import migrations, models


class Migration(migrations.Migration):
    """When one that is told to check has taken its files, so that it is told only when it has restarted since (rule first-check)."""

    dependencies = [
        ("terminals", "0025_guides_of_three_makers"),
    ]

    operations = [
        migrations.AddField(
            model_name="checking",
            name="took_at",
            field=models.DateTimeField(null=True),
        ),
    ]
