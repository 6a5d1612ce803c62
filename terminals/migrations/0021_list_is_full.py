from django.db import migrations, models


class Migration(migrations.Migration):
    """A state of its own for those whose list of trust anchors is full (rule full-list)."""

    dependencies = [
        ("terminals", "0020_emptied_list"),
    ]

    operations = [
        migrations.AlterField(
            model_name="installation",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "waiting"),
                    ("asked", "asked"),
                    ("heard", "heard, restarting"),
                    ("fetched", "fetched"),
                    ("unproved", "fetched, unproved"),
                    ("downloaded", "downloaded"),
                    ("confirmed", "confirmed"),
                    ("absent", "absent"),
                    ("failed", "failed"),
                    ("skipped", "skipped"),
                    ("full", "list is full"),
                ],
                default="waiting",
                max_length=10,
                verbose_name="state",
            ),
        ),
    ]
