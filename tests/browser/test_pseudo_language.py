"""Every page in a language that is longer than ours: nothing is wider than a telephone's window."""

import pytest

from tests.browser.test_accessibility import addresses, open_page, too_wide
from tests.panel.test_languages import pseudo_language

__all__ = ["addresses", "open_page", "pseudo_language"]

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [390, 1280])
def test_longer_words_make_no_page_wider_than_the_window(pseudo_language, open_page, addresses, width):
    page = open_page(width, pseudo_language)
    found = []
    for name, address in addresses.items():
        page.goto(address)
        found += too_wide(page, name)
    assert page.locator("html").get_attribute("lang") == pseudo_language
    assert not found, "\n".join(found)
