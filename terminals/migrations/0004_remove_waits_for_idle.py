from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("terminals", "0003_known_types")]

    operations = [migrations.RemoveField(model_name="terminaltype", name="waits_for_idle")]
