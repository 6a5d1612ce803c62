"""What one came to do on "Self-signed certificates" is in the first screen at 1280 by 800, whatever state it is in."""

import pytest
from django.urls import reverse

from pbxcerts.system.models import General
from tests.browser.test_accessibility import open_page
from tests.terminals.pages.conftest import fleet, mixed, world, yealink

__all__ = ["fleet", "mixed", "open_page", "world", "yealink"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _nothing(_world):
    """The pair is active, and nothing is to be said."""


def _without_a_clock(_world):
    General.objects.update(ntp_enabled=False)


def _without_names(_world):
    General.objects.update(ntp_enabled=False, fqdn="", dns_names=[], ip_addresses=[])


def seen(page):
    """Whether each of these lies above the bar that stays at the bottom, or is on it."""
    bar = page.locator("#settings .actions-form").bounding_box()
    below = {"bar": bar["y"] + bar["height"] - 800}
    for name in ("interval_days", "generation_time"):
        box = page.locator(f"#settings .parameter:has([name={name}])").bounding_box()
        below[name] = box["y"] + box["height"] - bar["y"]
    for name in ("Jetzt generieren", "Hostzertifikat herunterladen"):
        below[name] = page.get_by_role("link", name=name).first.bounding_box()["y"] - bar["y"] + 30
    return {name for name, pixels in below.items() if pixels > 1}


@pytest.mark.parametrize("state", [_nothing, _without_a_clock, _without_names])
def test_both_parameters_and_what_can_be_done_are_seen_without_scrolling(open_page, world, state):
    page = open_page(1280, "de")
    state(world)
    page.goto(reverse("certificates:overview"))
    assert seen(page) == set()


def test_in_a_handover_too(open_page, mixed):
    page = open_page(1280, "de")
    page.goto(reverse("certificates:overview"))
    assert seen(page) == set()


def test_it_would_be_said(open_page, world):
    page = open_page(1280, "de")
    page.goto(reverse("certificates:overview"))
    page.evaluate("document.querySelector('h1').style.height = '400px'")
    assert "generation_time" in seen(page)
