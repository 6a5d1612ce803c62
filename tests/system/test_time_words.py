"""Lengths of time in words."""

from datetime import timedelta

import pytest
from django.utils import translation

from pbxcerts.system import time_words


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
