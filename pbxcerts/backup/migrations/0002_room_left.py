from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backup", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="backuprun",
            name="room_left",
            field=models.PositiveBigIntegerField(null=True),
        ),
    ]
