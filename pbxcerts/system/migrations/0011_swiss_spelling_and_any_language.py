import pbxcerts.system.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("system", "0010_own_sessions_language_and_theme"),
    ]

    operations = [
        migrations.AddField(
            model_name="general",
            name="swiss_spelling",
            field=models.BooleanField(default=False, verbose_name="Swiss spelling"),
        ),
        migrations.AlterField(
            model_name="general",
            name="language",
            field=models.CharField(
                choices=pbxcerts.system.models.languages, default="de", max_length=16, verbose_name="system language"
            ),
        ),
    ]
