"""The guides of the Mitel SIP phones say when a telephone in use restarts, that of the agent that it registers."""

from django.db import migrations

MITEL_EN = """\
Automatic: the telephone takes its configuration from pbxcerts, restarts by itself and loads the certificates.
Configuration server at the telephone: Advanced Settings > Configuration Server, or DHCP option 43 or 66. HTTPS, the name of \
pbxcerts, port 8443 where no other is set; for own lines with passwords the address on the page of the terminal.
Parameters that pbxcerts sets: "sips trusted certificates" and "https user certificates", both to the URL of the trust file; \
"https validate certificates", "… hostname" and "… expires" on, so the telephone needs the right time. Where Delivery names the \
communication server over TLS also "sip transport protocol", "sips persistent tls", "sip outbound proxy" and its port.
Format: PEM, several certificates in one file.
Restart: yes. Both files are read when the telephone starts, and only then.
By hand: enter the same two parameters in the file <MAC>.cfg of your configuration server and restart the telephone.
First load: a telephone without our root refuses HTTPS ("Bad Certificate"); open a bootstrap window and let it load once over \
HTTP (port 8080), or switch "https validate certificates" off until it has loaded the file. Then HTTPS, or the next renewal fails."""
MITEL_DE = """\
Automatisch: Das Telefon holt seine Konfiguration bei pbxcerts, startet selbst neu und lädt die Zertifikate.
Konfigurationsserver am Telefon: Erweiterte Einstellungen > Konfigurationsserver, oder DHCP-Option 43 oder 66. HTTPS, der Name \
von pbxcerts, Port 8443, wenn kein anderer eingestellt ist; für eigene Zeilen mit Passwörtern die Adresse auf der Seite des Endgeräts.
Parameter, die pbxcerts setzt: „sips trusted certificates“ und „https user certificates“, beide mit der URL der \
Vertrauensdatei; „https validate certificates“, „… hostname“ und „… expires“ ein, das Telefon braucht also die richtige Zeit. Wo unter \
Zustellung der Kommunikationsserver mit TLS genannt ist, auch „sip transport protocol“, „sips persistent tls“, „sip outbound proxy“ und \
dessen Port.
Format: PEM, mehrere Zertifikate in einer Datei.
Neustart: ja. Beide Dateien werden nur beim Start des Telefons gelesen.
Von Hand: dieselben zwei Parameter in die Datei <MAC>.cfg Ihres Konfigurationsservers eintragen und das Telefon neu starten.
Erstes Laden: Ein Telefon ohne unser Rootzertifikat lehnt HTTPS ab („Bad Certificate“). Öffnen Sie ein Einrichtungsfenster \
und lassen Sie es einmal über HTTP laden (Port 8080), oder schalten Sie „https validate certificates“ aus, bis es die Datei geladen \
hat. Danach HTTPS, sonst misslingt die nächste Erneuerung."""
AGENT_EN = """\
In service: the program pbxcerts-agent runs on the machine, for example an intercom or a softphone host with Linux.
It asks pbxcerts every hour, and when it is notified, and keeps a trust store as PEM beside it.
Token: make it on the page of the terminal and enter it at the agent.
Format: PKCS#7 (certificates only), stored as PEM.
Restart: no; a program that reads its certificates only at its start has to be started again."""
AGENT_DE = """\
Im Betrieb: Das Programm pbxcerts-agent läuft auf dem Gerät, zum Beispiel einer Sprechanlage oder einem Softphone-Rechner mit Linux.
Es fragt pbxcerts jede Stunde und nach einer Benachrichtigung und führt einen Vertrauensspeicher als PEM.
Token: auf der Seite des Endgeräts erstellen und beim Agenten eintragen.
Format: PKCS#7 (nur Zertifikate), gespeichert als PEM.
Neustart: nein; ein Programm, das seine Zertifikate nur beim Start liest, muss neu gestartet werden."""

CHANGES = (
    (
        "guide_en",
        MITEL_EN,
        {
            "only then.": """only then.
In use: after its own resync ("auto resync mode") the telephone restarts only when it is idle. Its manual does not say so of a \
notification, so a call may end.""",
        },
    ),
    (
        "guide_de",
        MITEL_DE,
        {
            "nur beim Start des Telefons gelesen.": """nur beim Start des Telefons gelesen.
In Benutzung: Nach seinem eigenen Abgleich („auto resync mode“) startet das Telefon erst im Ruhezustand neu. Für eine \
Benachrichtigung sagt das Handbuch das nicht; ein Gespräch kann also enden.""",
        },
    ),
    (
        "guide_en",
        AGENT_EN,
        {
            " as PEM beside it.": " as PEM.",
            "at the agent.": """at the agent.
Notification: check-sync;reboot=false. Where the agent registers at the communication server ("[registration]" in its file), \
choose the way through the communication server at the terminal. Straight, it hears at an address and port of its own ("[sip]"), \
which the terminal's address names. With neither it asks every hour only.""",
            "has to be started again.": 'has to be started again, which the agent does with a command ("[hook]").',
        },
    ),
    (
        "guide_de",
        AGENT_DE,
        {
            "beim Agenten eintragen.": """beim Agenten eintragen.
Benachrichtigung: check-sync;reboot=false. Meldet sich der Agent am Kommunikationsserver an („[registration]“ in seiner Datei), \
am Endgerät den Weg über den Kommunikationsserver wählen. Direkt lauscht er an eigener Adresse und eigenem Port („[sip]“), die am \
Endgerät als Adresse einzutragen sind. Ohne beides fragt er nur jede Stunde.""",
            "muss neu gestartet werden.": "muss neu gestartet werden; das tut der Agent mit einem Befehl („[hook]“).",
        },
    ),
)
"""A field, what 0003 has put there, and what of it is written anew."""


def renew(apps, schema_editor):
    """Where a guide still stands word for word; what an administrator has changed stays as it is."""
    terminal_types = apps.get_model("terminals", "TerminalType").objects
    for field, given, changes in CHANGES:
        renewed = given
        for old, new in changes.items():
            renewed = renewed.replace(old, new)
        # A type that was saved on its page has the line ends of a browser.
        unchanged = [given, given.replace("\n", "\r\n")]
        terminal_types.filter(**{f"{field}__in": unchanged}).update(**{field: renewed})


class Migration(migrations.Migration):
    dependencies = [("terminals", "0004_remove_waits_for_idle")]

    operations = [migrations.RunPython(renew, migrations.RunPython.noop, elidable=False)]
