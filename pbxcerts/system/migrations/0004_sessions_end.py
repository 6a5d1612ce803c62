from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("system", "0003_general_installation"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="sessions_proof",
            field=models.CharField(blank=True, editable=False, max_length=32, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="general",
            name="logout_after_minutes",
            field=models.PositiveSmallIntegerField(default=480, verbose_name="log out after minutes without use"),
        ),
        migrations.AddConstraint(
            model_name="general",
            constraint=models.CheckConstraint(
                condition=models.Q(("logout_after_minutes__range", (5, 1440))), name="logout_after_5_to_1440_minutes"
            ),
        ),
    ]
