from django.db import migrations, models


class Migration(migrations.Migration):
    """How often a configuration was taken, and the trust file that it names was not."""

    dependencies = [("terminals", "0015_registered")]

    operations = [
        migrations.AddField(model_name="requester", name="named", field=models.JSONField(default=list)),
        migrations.AddField(model_name="requester", name="named_since", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="requester", name="named_times", field=models.PositiveSmallIntegerField(default=0)
        ),
    ]
