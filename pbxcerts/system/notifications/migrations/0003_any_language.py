import pbxcerts.system.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0002_destination_version"),
    ]

    operations = [
        migrations.AlterField(
            model_name="destination",
            name="language",
            field=models.CharField(
                choices=pbxcerts.system.models.languages, default="de", max_length=16, verbose_name="language"
            ),
        ),
    ]
