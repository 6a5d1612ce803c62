from django.db import migrations, models

import terminals.models


class Migration(migrations.Migration):
    """Which methods there are the drivers say: the database keeps that it is a name."""

    dependencies = [("terminals", "0005_guides_of_known_types")]

    operations = [
        migrations.RemoveConstraint(model_name="terminaltype", name="method_is_known"),
        migrations.AlterField(
            model_name="terminaltype",
            name="method",
            field=models.CharField(choices=terminals.models.delivery_methods, max_length=32, verbose_name="delivery"),
        ),
        migrations.AddConstraint(
            model_name="terminaltype",
            constraint=models.CheckConstraint(
                condition=models.Q(method__regex="^[a-z][a-z0-9_]*$"), name="method_is_a_name"
            ),
        ),
    ]
