"""The guides of telephones that can take their trust by their own provisioning say how that is chosen, and what is to be done once.

Whose type stands by hand stays by hand until an administrator chooses otherwise.
"""

from importlib import import_module

from django.db import migrations

KNOWN = {one["name"]: one for one in import_module("terminals.migrations.0003_known_types").BY_HAND}

FIRST_LOAD_EN = """\
First load: a telephone that checks servers and has no certificate of ours refuses HTTPS. Open a bootstrap window and let that line \
name http and the port of HTTP (8080) for so long; then HTTPS again."""
FIRST_LOAD_DE = """\
Erstes Laden: Ein Telefon, das Server prüft und kein Zertifikat von uns hat, lehnt HTTPS ab. Öffnen Sie ein Einrichtungsfenster \
und lassen Sie die Zeile so lange http und den HTTP-Port (8080) nennen; danach wieder HTTPS."""

INSTEAD = {
    "Yealink": (
        """\
Without a hand: choose the delivery "Yealink: own provisioning". The page of the type then shows the one line for \
y000000000000.boot or <mac>.boot of your configuration server (firmware from V81 on), and says when the first telephone has come.""",
        """\
Ohne Handgriff: die Zustellung „Yealink: eigene Provisionierung“ wählen. Die Seite des Typs zeigt dann die eine Zeile für \
y000000000000.boot oder <mac>.boot Ihres Konfigurationsservers (Firmware ab V81) und sagt, wann das erste Telefon gekommen ist.""",
    ),
    "Snom": (
        """\
Without a hand: choose the delivery "Snom: own provisioning". The page of the type then shows the one entry for <setting-files> in \
the file that the telephones read first, and says when the first one has come. Not for DECT (M).""",
        """\
Ohne Handgriff: die Zustellung „Snom: eigene Provisionierung“ wählen. Die Seite des Typs zeigt dann den einen Eintrag für \
<setting-files> in der Datei, die die Telefone zuerst lesen, und sagt, wann das erste gekommen ist. Nicht für DECT (M).""",
    ),
    "Grandstream": (
        """\
Without a hand: choose the delivery "Grandstream: own provisioning" (GXP17xx, GXP21xx, GRP, GHP, WP8x6, GDS). The page of the type \
then shows the one line that lets cfg.xml of your configuration server come from pbxcerts, and says when the first one has come.""",
        """\
Ohne Handgriff: die Zustellung „Grandstream: eigene Provisionierung“ wählen (GXP17xx, GXP21xx, GRP, GHP, WP8x6, GDS). Die Seite des \
Typs zeigt dann die eine Zeile, mit der cfg.xml Ihres Konfigurationsservers von pbxcerts kommt, und sagt, wann das erste gekommen ist.""",
    ),
}


def renewed(name):
    """The guides in English and German as they were given, and as they are from now on."""
    for field, first_load, instead in zip(
        ("guide_en", "guide_de"), (FIRST_LOAD_EN, FIRST_LOAD_DE), INSTEAD[name], strict=True
    ):
        given = KNOWN[name][field]
        yield field, given, f"{instead}\n{first_load}\n{given}"


def renew(apps, schema_editor):
    """Where a guide still stands word for word; what an administrator has changed stays as it is."""
    terminal_types = apps.get_model("terminals", "TerminalType").objects
    for name in INSTEAD:
        for field, given, new in renewed(name):
            # A type that was saved on its page has the line ends of a browser.
            unchanged = [given, given.replace("\n", "\r\n")]
            terminal_types.filter(**{f"{field}__in": unchanged}).update(**{field: new})


class Migration(migrations.Migration):
    dependencies = [("terminals", "0012_anchors_taken_in_turn")]

    operations = [migrations.RunPython(renew, migrations.RunPython.noop, elidable=False)]
