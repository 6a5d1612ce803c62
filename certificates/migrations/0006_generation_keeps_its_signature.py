from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("certificates", "0005_at_most_one_is_being_made")]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="succession",
            field=models.TextField(blank=True, default="", editable=False),
            preserve_default=False,
        ),
    ]
