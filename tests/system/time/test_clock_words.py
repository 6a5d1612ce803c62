"""How a clock goes is told in words of the reader's language, on pages and in the terminal alike, never as "+7200 s"."""

from datetime import timedelta

import pytest
from django.utils import translation

from pbxcerts.system.time.clock_words import moved, off, off_beside_the_word


def in_both(say, seconds):
    said = []
    for language in ("en", "de"):
        with translation.override(language):
            said.append(say(timedelta(seconds=seconds)).replace("\N{NO-BREAK SPACE}", " "))
    return tuple(said)


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (0.0004, "0.000 s off", "0,000 s Abweichung"),
        (-0.0004, "0.000 s off", "0,000 s Abweichung"),
        (-0.25, "0.250 s ahead", "0,250 s vor"),
        (59.9, "59.900 s behind", "59,900 s nach"),
        (60, "1 minute behind", "1 Minute nach"),
        (7200, "2 hours behind", "2 Stunden nach"),
        (-43201.4, "12 hours ahead", "12 Stunden vor"),
        (-400 * 86400, "400 days ahead", "400 Tage vor"),
    ],
)
def test_how_a_clock_goes(seconds, english, german):
    assert in_both(off, seconds) == (english, german)


@pytest.mark.parametrize(
    ("seconds", "english", "german"), [(0.0004, "0.000 s", "0,000 s"), (-0.25, "0.250 s ahead", "0,250 s vor")]
)
def test_beside_the_word_offset_it_is_not_said_again(seconds, english, german):
    assert in_both(off_beside_the_word, seconds) == (english, german)


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (7200, "2 hours forward", "2 Stunden nach vorn"),
        (-61, "1 minute back", "1 Minute zurück"),
    ],
)
def test_by_how_much_it_was_set(seconds, english, german):
    assert in_both(moved, seconds) == (english, german)
