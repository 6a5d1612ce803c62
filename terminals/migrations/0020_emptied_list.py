import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Whose list of trust anchors is emptied, and which types say so (rule emptied-list)."""

    dependencies = [
        ("terminals", "0019_checking"),
    ]

    operations = [
        migrations.CreateModel(
            name="EmptiedList",
            fields=[
                (
                    "terminal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="terminals.terminal",
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="checking",
            name="state_of_checking_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="checking",
            name="taken_back_says_why",
        ),
        migrations.AddField(
            model_name="terminaltype",
            name="empties_list",
            field=models.BooleanField(default=False, verbose_name="empty the list when it is full"),
        ),
        migrations.AddField(
            model_name="terminaltype",
            name="emptying_seen",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AlterField(
            model_name="checking",
            name="state",
            field=models.CharField(
                choices=[
                    ("told", "told"),
                    ("read", "has read it"),
                    ("shown", "came back"),
                    ("taken_back", "taken back"),
                    ("off", "stopped, to empty its list"),
                    ("emptied", "its list is emptied"),
                ],
                default="told",
                max_length=10,
                verbose_name="state",
            ),
        ),
        migrations.AlterField(
            model_name="checking",
            name="why",
            field=models.CharField(
                blank=True,
                choices=[
                    ("not_back", "it did not come back"),
                    ("person", "a person took it back"),
                    ("switched_off", "its type no longer says so"),
                    ("room", "its list is full and is to be emptied"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="checking",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["told", "read", "shown", "taken_back", "off", "emptied"])),
                name="state_of_checking_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="checking",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("state", "taken_back"),
                        ("taken_back_at__isnull", False),
                        ("why__in", ["not_back", "person", "switched_off", "room"]),
                    ),
                    models.Q(("state__in", ["off", "emptied"]), ("why__in", ["", "not_back"])),
                    models.Q(models.Q(("state__in", ["taken_back", "off", "emptied"]), _negated=True), ("why", "")),
                    _connector="OR",
                ),
                name="taken_back_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="checking",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "off"), _negated=True),
                    models.Q(("due_at__isnull", False), ("off_at__isnull", False)),
                    _connector="OR",
                ),
                name="off_says_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="checking",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "emptied"), _negated=True),
                    models.Q(("due_at__isnull", False), ("read_at__isnull", False)),
                    _connector="OR",
                ),
                name="emptied_says_when",
            ),
        ),
    ]
