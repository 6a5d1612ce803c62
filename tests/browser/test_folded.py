"""What a page folds up: a person who needs it more often unfolds it once."""

import pytest
from django.urls import reverse

from tests.browser.test_accessibility import open_page
from tests.terminals.pages.conftest import world

__all__ = ["open_page", "world"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_what_a_person_has_unfolded_stays_so_until_it_is_folded_again(open_page, world):
    page = open_page(1280, "de")
    expert, overlap = page.locator("#expert"), page.locator("#id_overlap_days")

    def comes_back():
        page.goto(reverse("certificates:history"))
        page.goto(reverse("certificates:overview"))

    comes_back()
    assert not overlap.is_visible()
    expert.locator("summary").click()
    assert overlap.is_visible()

    comes_back()
    assert overlap.is_visible()
    expert.locator("summary").click()
    comes_back()
    assert not overlap.is_visible()


def test_what_an_address_leads_to_is_unfolded_and_no_choice_of_a_person(open_page, world):
    page = open_page(1280, "de")
    overlap = page.locator("#id_overlap_days")
    page.goto(f"{reverse('certificates:overview')}#id_overlap_days")
    assert overlap.is_visible()

    page.goto(reverse("certificates:history"))
    page.goto(reverse("certificates:overview"))
    assert not overlap.is_visible()
