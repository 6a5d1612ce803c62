"""The languages of the panel: English, of which the texts are written, and each that has a catalogue (rule languages)."""

from pathlib import Path

from django.conf.locale import LANG_INFO
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import to_language

DEFAULT = "de"
"""Of a new installation, and of what is said before its own can be read."""
LOCALES = Path(__file__).resolve().parent.parent / "locale"
SWISS = "de-ch"
"""German in Swiss spelling: no language that somebody chooses, but how German is spelt (rule swiss-spelling)."""


def languages() -> list[tuple[str, str | Promise]]:
    """Code and name. The names are in Django's own catalogues."""
    found = {to_language(catalogue.parent.parent.name) for catalogue in LOCALES.glob("*/LC_MESSAGES/django.mo")}
    return [(code, _(LANG_INFO[code]["name"])) for code in sorted({"en", *found} - {SWISS})]
