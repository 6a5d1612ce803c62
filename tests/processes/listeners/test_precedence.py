"""Pages before phones (rule pages-first)."""

from contextlib import suppress

from pbxcerts.processes.listeners import precedence
from pbxcerts.processes.listeners.precedence import Precedence


def test_phones_give_way_only_while_somebody_waits_for_a_page(monkeypatch):
    slept = []
    # How long is the operating system's affair; whether is ours.
    monkeypatch.setattr(precedence, "time", type("Clock", (), {"sleep": slept.append}))
    pages = Precedence()

    pages.give_way()
    assert not pages.is_taken
    with pages.page(), pages.page():
        assert pages.is_taken
        pages.give_way()
    pages.give_way()

    assert slept == [precedence.PAUSE]
    assert not pages.is_taken


def test_a_page_that_fails_is_over():
    pages = Precedence()
    with suppress(ValueError), pages.page():
        raise ValueError

    assert not pages.is_taken
