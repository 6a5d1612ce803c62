"""What somebody has to put right in the environment before the product can start."""

import gettext

from django.core.exceptions import ImproperlyConfigured

from pbxcerts.system.languages import DEFAULT, LOCALES


def gettext_noop(text: str) -> str:
    """For the catalogue. Django's own asks for the settings, which are just being read."""
    return text


class Misconfigured(ImproperlyConfigured):
    """Raised while the settings are read, and Django translates nothing before it has them. So this keeps the text as it is in the
    catalogue, with named placeholders, and what goes into them: whoever shows it asks for it `in_words`.
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text % values)
        self._text, self._values = text, values

    def in_words(self) -> str:
        """In the language of everything that is said before the database can be asked for the system's."""
        return gettext.translation("django", LOCALES, [DEFAULT], fallback=True).gettext(self._text) % self._values
