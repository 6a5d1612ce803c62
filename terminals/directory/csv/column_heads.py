"""How people head the columns of a CSV file, in both languages of the panel and however their words are joined."""

import re

from django.utils.translation import get_language

ENGLISH = {
    "number": ("number", "extension", "phone number", "call number"),
    "name": ("name", "description"),
    "type": ("type", "terminal type", "model", "device"),
    "mac": ("MAC", "MAC address"),
    "address": ("address", "ip", "ip address"),
    "transport": ("transport",),
    "way": ("way", "way of the notification"),
    "sip_user": ("SIP user", "sip username", "user"),
    "sip_realm": ("SIP realm", "realm", "realm of the sip user"),
    "sip_password": ("SIP password", "password"),
    "enabled": ("enabled", "active"),
    "notes": ("notes", "note", "remarks"),
}
GERMAN = {
    "number": ("Nummer", "Rufnummer", "Durchwahl", "Nebenstelle", "Telefonnummer"),
    "name": ("Name", "Bezeichnung"),
    "type": ("Typ", "Endgerätetyp", "Modell", "Gerät"),
    "mac": ("MAC", "MAC-Adresse"),
    "address": ("Adresse", "IP", "IP-Adresse"),
    "transport": ("Transport",),
    "way": ("Weg", "Weg der Benachrichtigung"),
    "sip_user": ("SIP-Benutzer", "SIP-Benutzername", "Benutzer"),
    "sip_realm": ("SIP-Realm", "Realm", "Realm des SIP-Benutzers"),
    "sip_password": ("SIP-Passwort", "Passwort", "Kennwort"),
    "enabled": ("aktiv", "aktiviert", "eingeschaltet"),
    "notes": ("Bemerkungen", "Bemerkung", "Notizen", "Notiz"),
}


def _joined(head: str) -> str:
    return re.sub(r"[\s_-]+", " ", head).strip().casefold()


_COLUMNS = {_joined(head): column for heads in (ENGLISH, GERMAN) for column, named in heads.items() for head in named}


def column_of(head: str) -> str | None:
    """The column that is headed so; None where it is none of ours."""
    return _COLUMNS.get(_joined(head))


def heads() -> dict[str, str]:
    """How each column is headed in a template, in the reader's language."""
    known = GERMAN if (get_language() or "").startswith("de") else ENGLISH
    return {column: named[0] for column, named in known.items()}
