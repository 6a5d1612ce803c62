"""The terminal types that a new installation knows; from then on they are rows that an administrator changes.

This list is never edited: an installation that has run this migration would not get what is changed here, and a new one would get
something else. A type that comes later comes with a migration of its own, which adds what no administrator has named so already,
as `add_known_types` does. So does a better text; that one replaces only what still reads as it was, because all else is an
administrator's. A new installation runs all these migrations, an old one those that it lacks, and both know the same in the end
(tests/upgrade/test_upgrade.py).

A guide says the menu path or the parameter, the format, whether the telephone restarts, and what event strings do to it.
`verified` is false throughout: the guides come from manuals and from configurations in public use, none was followed on a device.
"""

from django.db import migrations

MITEL_MODELS = {
    "6700": ("6730i", "6731i", "6735i", "6737i", "6739i", "6753i", "6755i", "6757i"),
    "6800": ("6863i", "6865i", "6867i", "6869i", "6873i"),
    "6900": ("6905", "6910", "6915", "6920", "6920w", "6930", "6930w", "6940", "6940w", "6970"),
}
IP_SYSTEM_MODELS = ("5360", "5361", "5370", "5380")

MITEL_GUIDE_EN = """\
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
MITEL_GUIDE_DE = """\
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

IP_SYSTEM_GUIDE_EN = """\
In service: the terminal asks pbxcerts over HTTPS (RFC 7030, /.well-known/est/cacerts), reports what it trusts and proves it.
The protocol of Mitel's own firmware for these telephones is not public, and it is not known to speak this open one.
A telephone that does not: give it a type of its own with the delivery "SIP standard terminal".
Format: PKCS#7 (certificates only).
Restart: no."""
IP_SYSTEM_GUIDE_DE = """\
Im Betrieb: Das Endgerät fragt pbxcerts über HTTPS (RFC 7030, /.well-known/est/cacerts), meldet, wem es vertraut, und weist es nach.
Das Protokoll der Mitel-eigenen Firmware dieser Telefone ist nicht öffentlich; dass sie dieses offene spricht, ist nicht bekannt.
Für ein Telefon, das es nicht spricht: eigenen Typ mit der Zustellung „SIP-Standard-Endgerät“ anlegen.
Format: PKCS#7 (nur Zertifikate).
Neustart: nein."""


def _mitel(family, model):
    return {
        "name": f"Mitel {model}",
        "manufacturer": "Mitel",
        "method": "mitel_sip",
        "model": model,
        "event": "check-sync",
        "wants": "root",
        "trust_format": "pem",
        "waits_for_idle": True,
        "guide_en": MITEL_GUIDE_EN,
        "guide_de": MITEL_GUIDE_DE,
        "source": "Mitel 6800 SIP administrator guide 4.2 SP2; the 6700 and 6900 take the same parameters"
        if family != "6800"
        else "Mitel 6800 SIP administrator guide 4.2 SP2",
    }


def _ip_system(model):
    return {
        "name": f"Mitel {model} IP",
        "manufacturer": "Mitel",
        "method": "ip_system",
        "model": model,
        "event": "check-sync;reboot=false",
        "wants": "root",
        "trust_format": "p7b",
        "waits_for_idle": False,
        "guide_en": IP_SYSTEM_GUIDE_EN,
        "guide_de": IP_SYSTEM_GUIDE_DE,
        "source": "RFC 7030; Mitel MiVoice Office 400, help of WebAdmin 7.1",
    }


AGENT = {
    "name": "pbxcerts-agent",
    "method": "ip_system",
    "event": "check-sync;reboot=false",
    # When this was written it heard NOTIFYs at its own port only.
    "way": "direct",
    "wants": "root",
    "trust_format": "p7b",
    "waits_for_idle": False,
    "guide_en": """\
In service: the program pbxcerts-agent runs on the machine, for example an intercom or a softphone host with Linux.
It asks pbxcerts every hour, and when it is notified, and keeps a trust store as PEM beside it.
Token: make it on the page of the terminal and enter it at the agent.
Format: PKCS#7 (certificates only), stored as PEM.
Restart: no; a program that reads its certificates only at its start has to be started again.""",
    "guide_de": """\
Im Betrieb: Das Programm pbxcerts-agent läuft auf dem Gerät, zum Beispiel einer Sprechanlage oder einem Softphone-Rechner mit Linux.
Es fragt pbxcerts jede Stunde und nach einer Benachrichtigung und führt einen Vertrauensspeicher als PEM.
Token: auf der Seite des Endgeräts erstellen und beim Agenten eintragen.
Format: PKCS#7 (nur Zertifikate), gespeichert als PEM.
Neustart: nein; ein Programm, das seine Zertifikate nur beim Start liest, muss neu gestartet werden.""",
    "source": "README, section on the agent",
}

BY_HAND = (
    {
        "name": "Yealink",
        "manufacturer": "Yealink",
        "wants": "root",
        "trust_format": "pem",
        "waits_for_idle": False,
        "guide_en": """\
By hand: Security > Trusted Certificates > upload, then Confirm.
By provisioning: static.trusted_certificates.url (older firmware without "static."). Let the URL change with each renewal: \
what has the same URL may not be fetched again.
Checks: static.security.trust_certificates = 1 and static.security.ca_cert = 1 or 2; static.security.cn_validation for the name.
Format: pem, cer, crt, der; ten certificates of your own; 5 MB.
Restart: normally none. Where a notification makes it restart, it does so at once, in a call too.
Notification: check-sync;reboot=true restarts it, and so does check-sync;reboot=false unless sip.notify_reboot_enable = 0.""",
        "guide_de": """\
Von Hand: Security > Trusted Certificates > hochladen, dann Confirm.
Per Provisionierung: static.trusted_certificates.url (ältere Firmware ohne „static.“). Die URL muss sich bei jeder Erneuerung \
ändern: Was dieselbe URL hat, wird unter Umständen nicht neu geholt.
Prüfung: static.security.trust_certificates = 1 und static.security.ca_cert = 1 oder 2; für den Namen static.security.cn_validation.
Format: pem, cer, crt, der; zehn eigene Zertifikate; 5 MB.
Neustart: in der Regel keiner. Wo eine Benachrichtigung ihn auslöst, geschieht er sofort, auch im Gespräch.
Benachrichtigung: check-sync;reboot=true startet es neu, und ohne sip.notify_reboot_enable = 0 auch check-sync;reboot=false.""",
        "source": "Yealink SIP-T52S and CP969 administrator guides",
    },
    {
        "name": "Snom",
        "manufacturer": "Snom",
        "wants": "root",
        "trust_format": "der",
        "guide_en": """\
By hand: page Certificates of the telephone's web interface > import.
By provisioning: XML <certificates><certificate url="…"/></certificates>, or type="base64" with the certificate in it.
Checks: check_trusted_certificate must be on, or the telephone verifies nothing.
Format: DER behind a URL, base64 in the XML. A root or the server's own certificate; old and new stand beside each other.
Restart: none with base64 in the XML.
Notification: check-sync;reboot=false loads the settings, check-sync;reboot=true restarts. With challenge_checksync it asks for the \
password of its SIP identity.""",
        "guide_de": """\
Von Hand: Seite Zertifikate der Weboberfläche des Telefons > importieren.
Per Provisionierung: XML <certificates><certificate url="…"/></certificates>, oder type="base64" mit dem Zertifikat darin.
Prüfung: check_trusted_certificate muss eingeschaltet sein, sonst prüft das Telefon nichts.
Format: DER hinter einer URL, base64 im XML. Ein Root- oder das Zertifikat des Servers; alt und neu stehen nebeneinander.
Neustart: keiner mit base64 im XML.
Benachrichtigung: check-sync;reboot=false lädt die Einstellungen, check-sync;reboot=true startet neu. Mit challenge_checksync fragt es \
nach dem Passwort seiner SIP-Identität.""",
        "source": "Snom service hub: Desk Phone Configuration Files, TLS Support",
    },
    {
        "name": "Grandstream",
        "manufacturer": "Grandstream",
        "wants": "root",
        "trust_format": "pem",
        "size_limit": 4096,
        "guide_en": """\
By hand: Maintenance > Security Settings > Trusted CA Certificates: paste each root into a slot of its own.
By provisioning: P8433 to P8438 (trustedCACertificates.trustedCACertificate.1 to 6); load mode P8502.
Checks: "Check Domain Certificates" and "Validate Certification Chain" of the account are off: switch them on, or nothing is verified.
Format: PEM as text, at most 4096 characters a slot, six slots.
Restart: advised.
Notification: resync loads the settings, check-sync;reboot=true restarts. It asks for the SIP password unless that is switched off.""",
        "guide_de": """\
Von Hand: Maintenance > Security Settings > Trusted CA Certificates: jedes Rootzertifikat in einen eigenen Platz einfügen.
Per Provisionierung: P8433 bis P8438 (trustedCACertificates.trustedCACertificate.1 bis 6); Lademodus P8502.
Prüfung: „Check Domain Certificates“ und „Validate Certification Chain“ des Kontos sind aus: einschalten, sonst wird nichts geprüft.
Format: PEM als Text, höchstens 4096 Zeichen je Platz, sechs Plätze.
Neustart: empfohlen.
Benachrichtigung: resync lädt die Einstellungen, check-sync;reboot=true startet neu. Es fragt nach dem SIP-Passwort, wenn das nicht \
ausgeschaltet ist.""",
        "source": "Grandstream GXV34x0 administration guide; provisioning templates of FusionPBX",
    },
    {
        "name": "Gigaset",
        "manufacturer": "Gigaset",
        "wants": "bundle",
        "trust_format": "pem",
        "guide_en": """\
By hand: Settings > System > Security (role Integrator, N610 to N870) > Certificates > upload; the list for servers or for CAs.
By provisioning: possible; the name of the parameter is not known here.
A certificate that was refused stands in the list of invalid ones and can be accepted there.
Format: PEM or DER.
Restart: no.
Notification: check-sync;reboot=false loads the settings; check-sync;reboot=true restarts from software 2.52, with \
SystemSettings.global.CheckSyncRebootEnabled = 1.""",
        "guide_de": """\
Von Hand: Einstellungen > System > Sicherheit (Rolle Integrator, N610 bis N870) > Zertifikate > hochladen; Liste für Server oder für CAs.
Per Provisionierung: möglich; der Name des Parameters ist hier nicht bekannt.
Ein abgelehntes Zertifikat steht in der Liste der ungültigen und kann dort angenommen werden.
Format: PEM oder DER.
Neustart: nein.
Benachrichtigung: check-sync;reboot=false lädt die Einstellungen; check-sync;reboot=true startet ab Software 2.52 neu, mit \
SystemSettings.global.CheckSyncRebootEnabled = 1.""",
        "source": "Gigaset pro wiki, N610 to N870",
    },
    {
        "name": "Linphone",
        "manufacturer": "Belledonne Communications",
        "wants": "root",
        "trust_format": "pem",
        "waits_for_idle": False,
        "guide_en": """\
By hand: replace the file that linphonerc names under [sip] as root_ca=, with verify_server_certs=1 and verify_server_cn=1.
Format: PEM, several certificates in one file. It does not use the machine's own store.
Restart: of the program.
Notification: it takes none.""",
        "guide_de": """\
Von Hand: die Datei ersetzen, die linphonerc unter [sip] mit root_ca= nennt; dazu verify_server_certs=1 und verify_server_cn=1.
Format: PEM, mehrere Zertifikate in einer Datei. Der Zertifikatsspeicher des Geräts wird nicht benutzt.
Neustart: des Programms.
Benachrichtigung: Es wertet keine aus.""",
        "source": "Linphone: linphonerc; issue 645 of linphone-iphone",
    },
    {
        "name": "baresip",
        "wants": "root",
        "trust_format": "pem",
        "waits_for_idle": False,
        "guide_en": """\
By hand: replace the file that ~/.baresip/config names as sip_cafile, with sip_verify_server yes.
Format: PEM, several certificates in one file.
Restart: of the program; the file is read at its start.
Notification: it takes none.""",
        "guide_de": """\
Von Hand: die Datei ersetzen, die ~/.baresip/config als sip_cafile nennt; dazu sip_verify_server yes.
Format: PEM, mehrere Zertifikate in einer Datei.
Neustart: des Programms; die Datei wird beim Start gelesen.
Benachrichtigung: Es wertet keine aus.""",
        "source": "baresip: docs/examples/config",
    },
    {
        # The same word as `terminals.models.OTHER`.
        "name": "Other",
        "wants": "root",
        "trust_format": "pem",
        "guide_en": """\
By hand: look in the manual of the telephone for "trusted certificates", "CA certificates" or "certificate authorities".
It wants the root certificate, as PEM or DER; where it takes one certificate only, tick "holds only one certificate".
Restart: see its manual.""",
        "guide_de": """\
Von Hand: im Handbuch des Telefons nach „Trusted Certificates“, „CA-Zertifikate“ oder „Zertifizierungsstellen“ suchen.
Es braucht das Rootzertifikat, als PEM oder DER; nimmt es nur ein Zertifikat auf, „Fasst nur ein Zertifikat“ einschalten.
Neustart: siehe Handbuch.""",
    },
)

KNOWN_TYPES = (
    *(_ip_system(model) for model in IP_SYSTEM_MODELS),
    *(_mitel(family, model) for family, models in MITEL_MODELS.items() for model in models),
    *({"method": "sip_standard", **by_hand} for by_hand in BY_HAND),
    AGENT,
)


def add_known_types(apps, schema_editor):
    """What an administrator has named so already stays as it is."""
    TerminalType = apps.get_model("terminals", "TerminalType")
    TerminalType.objects.bulk_create([TerminalType(**values) for values in KNOWN_TYPES], ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("terminals", "0002_orders_and_import_file")]

    operations = [migrations.RunPython(add_known_types, migrations.RunPython.noop, elidable=False)]
