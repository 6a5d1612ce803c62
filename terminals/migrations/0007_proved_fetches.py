import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F


def keep_the_spans_of_those_on_their_way(apps, schema_editor):
    """Whoever has answered a NOTIFY and is not back yet is judged by that one."""
    installations = apps.get_model("terminals", "Installation").objects.using(schema_editor.connection.alias)
    installations.filter(state__in=["asked", "heard", "fetched"]).update(notified_at=F("asked_at"))


class Migration(migrations.Migration):
    """Whose fetch it was has to be proved from now on. What was confirmed before stays confirmed, with no word on what proved it:
    those telephones fetched by the rule of that time, and asking all of them again would restart each.
    """

    dependencies = [
        ("terminals", "0006_methods_of_drivers"),
    ]

    operations = [
        migrations.AddField(
            model_name="deliverysettings",
            name="telephone_networks",
            field=models.JSONField(blank=True, default=list, verbose_name="networks of the telephones"),
        ),
        migrations.AddField(
            model_name="installation",
            name="doubt_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="installation",
            name="notified_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="installation",
            name="proof",
            field=models.CharField(
                blank=True,
                choices=[
                    ("path", "over its own secret address"),
                    ("record", "from the address in the list"),
                    ("network", "from a network of the telephones"),
                    ("accepted", "from an address that a person accepted"),
                    ("answer", "from the only address that asked after it had answered"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="several_addresses",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="terminal",
            name="replaced_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="installation",
            name="evidence",
            field=models.CharField(
                blank=True,
                choices=[
                    ("fetched", "it fetched the trust file"),
                    ("unproved", "somebody fetched the trust file"),
                    ("reported", "it reported the fingerprints"),
                    ("proved", "it connected to the new certificate"),
                    ("person", "a person confirmed it"),
                ],
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="installation",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "waiting"),
                    ("asked", "asked"),
                    ("heard", "heard, restarting"),
                    ("fetched", "fetched"),
                    ("unproved", "fetched, unproved"),
                    ("downloaded", "downloaded"),
                    ("confirmed", "confirmed"),
                    ("absent", "absent"),
                    ("failed", "failed"),
                    ("skipped", "skipped"),
                ],
                default="waiting",
                max_length=10,
                verbose_name="state",
            ),
        ),
        migrations.CreateModel(
            name="Requester",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=64)),
                ("address", models.CharField(max_length=64)),
                ("last_at", models.DateTimeField()),
                ("took", models.JSONField(default=list)),
                ("accepted_by", models.CharField(blank=True, max_length=150)),
                (
                    "terminal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="requesters", to="terminals.terminal"
                    ),
                ),
            ],
            options={
                "verbose_name": "requester",
                "ordering": ["-last_at"],
                "indexes": [models.Index(fields=["source"], name="requester_by_source")],
                "constraints": [
                    models.UniqueConstraint(fields=("terminal", "source"), name="one_requester_per_source")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=~models.Q(state="unproved") | models.Q(confirmed_at=None), name="unproved_is_not_confirmed"
            ),
        ),
        migrations.RunPython(keep_the_spans_of_those_on_their_way, migrations.RunPython.noop),
    ]
