"""Instants and lengths of time in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import formats, timezone, translation

from pbxcerts.system.time import time_words

ZURICH = ZoneInfo("Europe/Zurich")
INSTANTS = [
    datetime(2026, 3, 1, 23, 30, tzinfo=UTC),
    datetime(2026, 3, 1, 22, 59, 59, tzinfo=UTC),
    # Before and after the clock goes back, and once more in another zone.
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=ZURICH),
]


@pytest.mark.parametrize("language", ["en", "de", "de-ch", "fi", "en-us"])
def test_an_instant_is_written_as_django_writes_it(language):
    """Also in a language that is not ours, and has the time of day in another form (fi, en-us)."""
    words = {
        time_words.moment: "DATETIME_FORMAT",
        time_words.short_moment: "SHORT_DATETIME_FORMAT",
        time_words.day: "SHORT_DATE_FORMAT",
    }
    for zone in (ZURICH, UTC):
        with translation.override(language), timezone.override(zone):
            for instant in INSTANTS:
                local = timezone.localtime(instant)
                for write, form in words.items():
                    assert write(instant) == formats.date_format(local, form)


def test_the_languages_keep_apart_what_they_write():
    written = []
    for language in ("en", "de", "en"):
        with translation.override(language), timezone.override(ZURICH):
            written.append(time_words.short_moment(INSTANTS[0]))

    assert written == ["2 Mar 2026, 00:30", "02.03.2026, 00:30", "2 Mar 2026, 00:30"]


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=59), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=395, hours=23), "395 days"),
    ],
)
def test_a_length_of_time_is_rounded_down(length, text):
    with translation.override("en"):
        assert time_words.span(length) == text
