"""The key ? leads to the help of the page, unless somebody is writing."""

import pytest

from pbxcerts.system.models import General
from tests.browser.test_accessibility import open_page

__all__ = ["open_page"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _installed(db):
    """The row in which `open_page` writes the language."""
    General.load()


def test_the_key_leads_to_the_help_of_the_view(open_page):
    page = open_page(1280, "en")
    page.goto("/system/events/")
    page.keyboard.press("?")

    page.wait_for_url("**/help/ev/")
    assert page.locator("h1").inner_text() == "Help: Event messages"


def test_who_writes_a_question_mark_goes_nowhere(open_page):
    page = open_page(1280, "en")
    page.goto("/system/general/")
    page.locator("#id_site_name").press("End")
    page.keyboard.press("?")
    page.keyboard.press("Control+?")

    assert page.locator("#id_site_name").input_value().endswith("?")
    assert page.url.endswith("/system/general/")


def test_from_the_help_one_comes_back_to_the_view_and_on_to_the_contents(open_page):
    page = open_page(390, "de")
    page.goto("/terminals/rollout/")
    page.locator("#help").click()
    page.wait_for_url("**/help/ro/")
    page.keyboard.press("?")
    page.wait_for_url("**/help/")
    page.go_back()
    page.locator("#purpose ~ p a.btn").click()
    page.wait_for_url("**/terminals/rollout/")
    assert page.get_by_role("heading", level=1).inner_text() == "Verteilung"


def test_the_mark_beside_a_filter_opens_the_help_at_its_place(open_page):
    page = open_page(1280, "en")
    page.goto("/terminals/")
    page.get_by_role("link", name="Help: State").click()

    page.wait_for_url("**/help/te/#filter-state")
    assert page.locator("#filter-state").is_visible()
