"""What is tried again every few seconds does not flood the log (rule said-on-change)."""

import logging

import pytest

from pbxcerts.system.outage import REASONS_AT_MOST, Outage

logger = logging.getLogger(__name__)


@pytest.fixture
def outage(caplog):
    caplog.set_level(logging.INFO)
    return Outage(logger, "it is back")


def test_one_reason_is_said_once_in_one_line(outage, caplog):
    for _try in range(1000):
        outage.goes_on(OSError("refused\n\tIs it running?"), "%d wait: %s", 7)

    assert caplog.messages == ["7 wait: refused"]


def test_another_reason_is_said_too_and_two_that_take_turns_are_not_said_again(outage, caplog):
    for _try in range(100):
        outage.goes_on(OSError("refused"), "away: %s")
        outage.goes_on(OSError("no answer"), "away: %s")

    assert caplog.messages == ["away: refused", "away: no answer"]


def test_reasons_without_end_are_not_all_said(outage, caplog):
    for number in range(1000):
        outage.goes_on(OSError(f"attempt {number}"), "away: %s")

    assert len(caplog.messages) == REASONS_AT_MOST


def test_that_it_is_over_is_said_once_and_the_next_one_begins_anew(outage, caplog):
    outage.is_over()
    outage.goes_on(OSError("refused"), "away: %s")
    outage.is_over()
    outage.is_over()
    outage.goes_on(OSError("refused"), "away: %s")

    assert caplog.messages == ["away: refused", "it is back", "away: refused"]
