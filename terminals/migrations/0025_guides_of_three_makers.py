"""The guides of Snom, Gigaset and Grandstream say what makes a desk telephone check, what a notification may do beside, whose telephones
another maker's delivery is for, and which settings of the site win over ours.
"""

from importlib import import_module

from django.db import migrations

PROVISIONING = import_module("terminals.migrations.0013_guides_of_own_provisioning")

CHANGES = {
    ("Snom", "guide_en"): {
        "Checks: check_trusted_certificate must be on, or the telephone verifies nothing.": """\
Checks: tls_server_authentication on (older firmware; newer firmware may not know it). From firmware 10 on it compares the name as well \
(check_fqdn_against_server_cert, on). check_trusted_certificate is a setting of Snom DECT alone.""",
        "it asks for the password of its SIP identity.": """\
it asks for the password of its SIP identity.
Danger: from firmware 10.1.180 on, checksync_action overrides what a notification asks for, and may be factory-reset: set it to sync \
before the first one.""",
    },
    ("Snom", "guide_de"): {
        "Prüfung: check_trusted_certificate muss eingeschaltet sein, sonst prüft das Telefon nichts.": """\
Prüfung: tls_server_authentication ein (ältere Firmware; neuere kennt es möglicherweise nicht). Ab Firmware 10 vergleicht es auch den \
Namen (check_fqdn_against_server_cert, ein). check_trusted_certificate ist nur bei Snom-DECT eine Einstellung.""",
        "fragt es nach dem Passwort seiner SIP-Identität.": """\
fragt es nach dem Passwort seiner SIP-Identität.
Gefahr: Ab Firmware 10.1.180 setzt sich checksync_action über das hinweg, was eine Benachrichtigung verlangt, und kann factory-reset \
sein: vor der ersten auf sync stellen.""",
    },
    ("Gigaset", "guide_en"): {
        "By hand:": """\
Without a hand: the desk telephones P7xx and P8xx read the same files as a Snom. Give them a type of their own and choose its delivery \
"Snom: own provisioning". Not for DECT (N).
By hand:""",
    },
    ("Gigaset", "guide_de"): {
        "Von Hand:": """\
Ohne Handgriff: Die Tischtelefone P7xx und P8xx lesen dieselben Dateien wie ein Snom. Geben Sie ihnen einen eigenen Typ und wählen Sie \
dessen Zustellung „Snom: eigene Provisionierung“. Nicht für DECT (N).
Von Hand:""",
    },
    ("Grandstream", "guide_en"): {
        "and says when the first one has come.": """\
and says when the first one has come.
In your own files: P8467 = 1 in each cfg<mac>.xml, so that the telephone takes cfg.xml too. Remove P8433 to P8438 and P8502 from them: \
what stands there overrides ours, and templates of FusionPBX set P8502.""",
        "load mode P8502.": "and P8502 = 2: with 0, the default, none of them counts.",
    },
    ("Grandstream", "guide_de"): {
        "und sagt, wann das erste gekommen ist.": """\
und sagt, wann das erste gekommen ist.
In Ihren eigenen Dateien: P8467 = 1 in jeder cfg<mac>.xml, damit das Telefon auch cfg.xml nimmt. Entfernen Sie daraus P8433 bis P8438 \
und P8502: Was dort steht, setzt sich über unseres hinweg, und Vorlagen von FusionPBX setzen P8502.""",
        "Lademodus P8502.": "und P8502 = 2: Mit 0, der Voreinstellung, gilt keines davon.",
    },
}


def given(name, field):
    """The guide as it was written last."""
    if name in PROVISIONING.INSTEAD:
        return next(new for one, _before, new in PROVISIONING.renewed(name) if one == field)
    return PROVISIONING.KNOWN[name][field]


def renew(apps, schema_editor):
    """Where a guide still stands word for word; what an administrator has changed stays as it is."""
    terminal_types = apps.get_model("terminals", "TerminalType").objects
    for (name, field), changes in CHANGES.items():
        before = after = given(name, field)
        for old, new in changes.items():
            after = after.replace(old, new)
        # A type that was saved on its page has the line ends of a browser.
        unchanged = [before, before.replace("\n", "\r\n")]
        terminal_types.filter(**{f"{field}__in": unchanged}).update(**{field: after})


class Migration(migrations.Migration):
    dependencies = [("terminals", "0024_triggers_anew")]

    operations = [migrations.RunPython(renew, migrations.RunPython.noop, elidable=False)]
