from django.db import migrations, models


class Migration(migrations.Migration):
    """When a terminal was seen registered, and since when over a TLS connection that was made after the switch."""

    dependencies = [("terminals", "0014_asks_by_itself")]

    operations = [
        migrations.AddField(model_name="installation", name="registered_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="installation", name="registered_since", field=models.DateTimeField(null=True)),
    ]
