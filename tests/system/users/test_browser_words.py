"""A browser in words, by its User-Agent."""

import pytest
from django.utils import translation

from pbxcerts.system.users import browser_words

MOZILLA, WEBKIT = "Mozilla/5.0", "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/139.0.0.0 Safari/537.36", "Chrome, Windows"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/139.0 Safari/537.36 Edg/139.0", "Edge, Windows"),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/18.5 Safari/605.1.15", "Safari, macOS"),
        (f"{MOZILLA} (Linux; Android 10; K) {WEBKIT} Chrome/139.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        (f"{MOZILLA} (iPad; CPU OS 18_5 like Mac OS X) {WEBKIT} CriOS/139.0 Mobile/15E148", "Chrome, iPad"),
        ("curl/8.14.1", "curl"),
        ("Windows", "Windows"),
        ("", "unknown browser"),
        ("<b>Bank of nowhere</b>", "unknown browser"),
    ],
)
def test_it_is_named_by_what_it_is_and_what_it_runs_on(agent, expected):
    with translation.override("en"):
        assert browser_words.words(agent) == expected


def test_only_so_much_of_it_is_kept_and_nothing_that_a_database_would_refuse():
    assert browser_words.kept("a\0b\nc" + "x" * 1000) == "abc" + "x" * (browser_words.LONGEST - 5)
