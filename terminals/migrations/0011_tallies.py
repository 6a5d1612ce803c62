"""Counts that are kept, past installations, and the index of the search, with the triggers that keep them; indexes for the few among many."""

import django.db.models.deletion
from django.db import migrations, models

from terminals.directory import search_index
from terminals.tally import triggers


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)
    search_index.install(schema_editor.connection)


def remove(apps, schema_editor):
    search_index.remove(schema_editor.connection)
    triggers.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0010_how_often_a_switch_began_the_reload_command"),
        ("terminals", "0010_discovered_at_each_address"),
    ]

    operations = [
        migrations.CreateModel(
            name="InstallationTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("enabled", models.BooleanField()),
                ("wave", models.PositiveSmallIntegerField()),
                ("state", models.CharField(max_length=10)),
                ("excused", models.BooleanField()),
                ("put_off", models.BooleanField()),
                ("trusted", models.BooleanField()),
                ("unproved", models.BooleanField()),
                ("count", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="ListChanges",
            fields=[
                ("singleton", models.BooleanField(default=True, editable=False, primary_key=True, serialize=False)),
                ("count", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="SharedAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.CharField(max_length=64, unique=True)),
                ("count", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="TerminalTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("enabled", models.BooleanField()),
                ("count", models.IntegerField()),
            ],
        ),
        migrations.RemoveIndex(
            model_name="installation",
            name="installation_next",
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(fields=["generation", "state", "wave", "next_at"], name="installation_by_turn"),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(
                condition=models.Q(("confirmed_at", None)),
                fields=["generation", "terminal"],
                name="installation_untrusted",
            ),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(
                condition=models.Q(("doubt_until__isnull", False)),
                fields=["generation", "doubt_until"],
                name="installation_in_doubt",
            ),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(
                condition=models.Q(("confirmed_at", None), ("evidence", "unproved")),
                fields=["generation", "terminal"],
                name="installation_unproved",
            ),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(
                condition=models.Q(("address_differs", True)),
                fields=["generation", "terminal"],
                name="installation_differs",
            ),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(
                condition=models.Q(("several_addresses", True)),
                fields=["generation", "terminal"],
                name="installation_several",
            ),
        ),
        migrations.AddIndex(
            model_name="terminal",
            index=models.Index(fields=["address", "number"], name="terminal_by_address"),
        ),
        migrations.AddIndex(
            model_name="terminal",
            index=models.Index(condition=models.Q(("enabled", False)), fields=["number"], name="terminal_disabled"),
        ),
        migrations.AddField(
            model_name="installationtally",
            name="generation",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="certificates.generation",
            ),
        ),
        migrations.AddField(
            model_name="installationtally",
            name="type",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="terminals.terminaltype",
            ),
        ),
        migrations.AddField(
            model_name="terminaltally",
            name="type",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="terminals.terminaltype",
            ),
        ),
        migrations.AddConstraint(
            model_name="installationtally",
            constraint=models.UniqueConstraint(
                fields=("generation", "type", "enabled", "wave", "state", "excused", "put_off", "trusted", "unproved"),
                name="one_tally_of_installations",
            ),
        ),
        migrations.AddConstraint(
            model_name="terminaltally",
            constraint=models.UniqueConstraint(fields=("type", "enabled"), name="one_tally_of_terminals"),
        ),
        migrations.CreateModel(
            name="PastInstallations",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entries", models.JSONField(default=list)),
                (
                    "terminal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="past", to="terminals.terminal"
                    ),
                ),
            ],
        ),
        migrations.RunPython(install, remove),
    ]
