from datetime import timedelta

import pytest

from terminals.drivers.base import Reaction
from terminals.sip.reactions import reaction_to, read_retry_after


@pytest.mark.parametrize(
    ("reaction", "statuses"),
    [
        (Reaction.HEARD, [200, 202]),
        (Reaction.CREDENTIALS, [401, 407]),
        (Reaction.REFUSED, [403, 603]),
        (Reaction.ABSENT, [404, 408, 410, 430, 477, 480]),
        (Reaction.NOT_SUPPORTED, [405, 481, 482, 489, 501]),
        (Reaction.BUSY, [486, 491, 600]),
        (Reaction.OVERLOADED, [500, 503]),
        (Reaction.OTHER, [204, 299, 302, 400, 406, 415, 420, 484, 488, 493, 502, 504, 513, 604, 606, 699]),
    ],
    ids=lambda value: str(value) if isinstance(value, Reaction) else "",
)
def test_every_final_status_means_something(reaction, statuses):
    assert {status: reaction_to(status) for status in statuses} == dict.fromkeys(statuses, reaction)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("18000;duration=3600", 18000),
        ("120 (I'm in a meeting)", 120),
        ("0", 0),
        ("4294967295", 86400),
        ("99999999999999999999", None),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_is_at_most_a_day(value, seconds):
    assert read_retry_after(value) == (None if seconds is None else timedelta(seconds=seconds))
