"""An offset of the clock reads like a number of the reader's language, on pages and in the terminal alike."""

from datetime import timedelta

import pytest
from django.utils import translation

from pbxcerts.system.clock_words import signed_seconds


@pytest.mark.parametrize(
    ("seconds", "german", "english"),
    [
        (0.0004, "+0,000", "+0.000"),
        (-0.0004, "+0,000", "+0.000"),
        (-0.25, "\N{MINUS SIGN}0,250", "\N{MINUS SIGN}0.250"),
        (59.9, "+59,900", "+59.900"),
        (-43201.4, "\N{MINUS SIGN}43201", "\N{MINUS SIGN}43201"),
    ],
)
def test_an_offset_has_its_sign_and_the_language_of_the_reader(seconds, german, english):
    for language, expected in (("de", german), ("en", english)):
        with translation.override(language):
            assert signed_seconds(timedelta(seconds=seconds)).replace("\N{NO-BREAK SPACE}", "") == expected
