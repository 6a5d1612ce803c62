from django.db import migrations, models


class Migration(migrations.Migration):
    """Whether it was the terminal who took the last trust anchor that came in turn."""

    dependencies = [("terminals", "0016_unheeded")]

    operations = [migrations.AddField(model_name="requester", name="held_proved", field=models.BooleanField(null=True))]
