import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which telephones were told to check certificates, and whether a type says so (rule checking)."""

    dependencies = [
        ("terminals", "0018_search_index_of_postgresql"),
    ]

    operations = [
        migrations.AddField(
            model_name="terminaltype",
            name="turns_checking_on",
            field=models.BooleanField(default=False, verbose_name="turn the check of certificates on"),
        ),
        migrations.CreateModel(
            name="Checking",
            fields=[
                (
                    "terminal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="checking",
                        serialize=False,
                        to="terminals.terminal",
                    ),
                ),
                ("method", models.CharField(max_length=32)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("told", "told"),
                            ("read", "has read it"),
                            ("shown", "came back"),
                            ("taken_back", "taken back"),
                        ],
                        default="told",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("read_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("shown_at", models.DateTimeField(null=True)),
                ("taken_back_at", models.DateTimeField(null=True)),
                (
                    "why",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("not_back", "it did not come back"),
                            ("person", "a person took it back"),
                            ("switched_off", "its type no longer says so"),
                        ],
                        max_length=12,
                    ),
                ),
                ("by", models.CharField(blank=True, max_length=150)),
                ("off_at", models.DateTimeField(null=True)),
                ("gone_on", models.BooleanField(default=False)),
                ("change", models.BigIntegerField(db_index=True, default=0)),
            ],
            options={
                "verbose_name": "check turned on",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "shown"), _negated=True),
                        fields=["state"],
                        name="checking_under_way",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["told", "read", "shown", "taken_back"])),
                        name="state_of_checking_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "read"), _negated=True),
                            models.Q(("due_at__isnull", False), ("read_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="read_says_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "shown"), _negated=True), ("shown_at__isnull", False), _connector="OR"
                        ),
                        name="shown_says_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("state", "taken_back"),
                                ("taken_back_at__isnull", False),
                                ("why__in", ["not_back", "person", "switched_off"]),
                            ),
                            models.Q(models.Q(("state", "taken_back"), _negated=True), ("why", "")),
                            _connector="OR",
                        ),
                        name="taken_back_says_why",
                    ),
                ],
            },
        ),
    ]
