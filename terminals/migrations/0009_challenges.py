from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("terminals", "0008_sealed_own_lines")]

    operations = [
        migrations.AddField(
            model_name="terminaltype",
            name="answers_without_qop",
            field=models.BooleanField(default=False, verbose_name="answer old challenges"),
        ),
        migrations.AddField(
            model_name="installation",
            name="challenge_realm",
            field=models.CharField(blank=True, max_length=253),
        ),
        migrations.AddField(
            model_name="installation",
            name="challenge_proved",
            field=models.BooleanField(default=False),
        ),
    ]
