from typing import Any

from django.db import migrations, models

from pbxcerts.system import sealing


def seal(apps: Any, schema_editor: Any) -> None:
    terminals = apps.get_model("terminals", "Terminal").objects.using(schema_editor.connection.alias)
    with_lines = list(terminals.exclude(plain_own_lines="").only("pk", "plain_own_lines"))
    if not with_lines:
        return
    # As `up` does before it migrates.
    sealing.make_key_list()
    keys = sealing.key_list()
    for terminal in with_lines:
        terminal.own_lines = keys.encrypt(terminal.plain_own_lines.encode())
    terminals.bulk_update(with_lines, ["own_lines"], batch_size=500)


class Migration(migrations.Migration):
    """The own lines of a terminal hold passwords: they are sealed as SIP passwords are (rule sealed)."""

    dependencies = [("terminals", "0007_proved_fetches")]

    operations = [
        migrations.RenameField("terminal", "own_lines", "plain_own_lines"),
        migrations.AddField(
            "terminal",
            "own_lines",
            models.BinaryField(blank=True, null=True, verbose_name="own lines of the configuration file"),
        ),
        migrations.RunPython(seal, migrations.RunPython.noop),
        migrations.RemoveField("terminal", "plain_own_lines"),
    ]
