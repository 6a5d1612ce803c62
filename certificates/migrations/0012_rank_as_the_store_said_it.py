from django.db import migrations, models


class Migration(migrations.Migration):
    """How many had taken over before an adopted pair, which an older copy of the database does not know (rule adopting)."""

    dependencies = [
        ("certificates", "0011_what_a_switch_that_stays_is_called"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="rank",
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
    ]
