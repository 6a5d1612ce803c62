"""Catalogues made from others: German in Swiss spelling, which the product has (`python -m tests.support.catalogues` writes it), and a
pseudo-language, which the tests look for texts in that nobody can translate.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

import django
import polib
from django.apps import apps

from pbxcerts.system.languages import LOCALES

SWISS = LOCALES / "de_CH" / "LC_MESSAGES" / "django.mo"
PLACEHOLDER = re.compile(r"(%\([^)]*\)[-#0 +]*[\d.]*[a-zA-Z]|%%|%[sd]|\{[^}]*\}|<[^>]*>|&\w+;)")
OPENS, CLOSES = "⟦", "⟧"
ACCENTS = str.maketrans(ascii_lowercase + ascii_uppercase, "áḃćďéḟğĥíĵķĺḿñóṕɋŕśţúṽẃẋýžÁḂĆĎÉḞĞĤÍĴĶĹḾÑÓṔɊŔŚŢÚṼẂẊÝŽ")


def german() -> Iterator[Path]:
    """The compiled catalogues in Django's order: what comes later counts."""
    yield Path(django.__file__).parent / "conf" / "locale" / "de" / "LC_MESSAGES" / "django.mo"
    for app in reversed(list(apps.get_app_configs())):
        place = Path(app.path) / "locale" / "de" / "LC_MESSAGES" / "django.mo"
        if place.exists() and LOCALES not in place.parents:
            yield place
    yield LOCALES / "de" / "LC_MESSAGES" / "django.mo"


def merged() -> dict[tuple[str | None, str], polib.MOEntry]:
    """Every German text, and which one counts."""
    return {(entry.msgctxt, entry.msgid): entry for place in german() for entry in polib.mofile(str(place))}


def swiss() -> polib.POFile:
    """What is spelt otherwise; and what Django has too, whose own German would come before ours."""
    foreign = {
        (entry.msgctxt, entry.msgid)
        for place in german()
        if LOCALES not in place.parents
        for entry in polib.mofile(str(place))
    }
    wanted = {key: entry for key, entry in merged().items() if key in foreign or "ß" in str(texts_of(entry))}
    return made(wanted, "nplurals=2; plural=(n != 1);", lambda text, _msgid: text.replace("ß", "ss"))


def pseudo() -> polib.POFile:
    """Longer by half, with accents, each text in brackets of its own."""
    return made(merged(), "nplurals=2; plural=(n != 1);", lambda _text, msgid: pseudo_of(msgid))


def pseudo_of(msgid: str) -> str:
    parts = [part if PLACEHOLDER.fullmatch(part) else part.translate(ACCENTS) for part in PLACEHOLDER.split(msgid)]
    text = "".join(parts)
    longer = " ".join(["ẅéḯẗéŕ"] * max(1, len(msgid) // 16))
    return f"{OPENS}{text} {longer}{CLOSES}" if msgid.strip() else msgid


def texts_of(entry: polib.MOEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def made(
    entries: dict[tuple[str | None, str], polib.MOEntry], plural_forms: str, translate: Callable[[str, str], str]
) -> polib.POFile:
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Plural-Forms": plural_forms}
    for _key, entry in sorted(entries.items(), key=lambda one: (one[0][0] or "", one[0][1])):
        one = polib.POEntry(msgctxt=entry.msgctxt, msgid=entry.msgid, msgid_plural=entry.msgid_plural)
        if entry.msgid_plural:
            msgids = (entry.msgid, entry.msgid_plural)
            one.msgstr_plural = {
                number: translate(text, msgids[number]) for number, text in sorted(entry.msgstr_plural.items())
            }
        else:
            one.msgstr = translate(entry.msgstr, entry.msgid)
        catalogue.append(one)
    return catalogue


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    SWISS.parent.mkdir(parents=True, exist_ok=True)
    swiss().save_as_mofile(str(SWISS))
