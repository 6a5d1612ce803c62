from django.db import migrations, models


class Migration(migrations.Migration):
    """Types whose telephones check certificates because the site's own configuration says so, or may because an older copy of the
    database has forgotten it (rule checking).
    """

    dependencies = [
        ("terminals", "0022_renamed_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="terminaltype",
            name="checks_by_itself",
            field=models.BooleanField(default=False, verbose_name="checks certificates by your own configuration"),
        ),
        migrations.AddField(
            model_name="terminaltype",
            name="may_check",
            field=models.BooleanField(default=False, editable=False),
        ),
    ]
