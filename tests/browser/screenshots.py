"""Pictures of every page, to be looked at: `.venv/bin/pytest tests/browser/screenshots.py` writes them to `.cache/screenshots`.

PAGES="home certificates:overview" in the environment takes these alone.
"""

import os
import re

import pytest

from tests.browser.test_accessibility import addresses, open_page, variants
from tests.support.product import ROOT

__all__ = ["addresses", "open_page", "variants"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_take_pictures(open_page, addresses, variants, width, language, theme):
    place = ROOT / ".cache" / "screenshots" / f"{language}-{theme}-{width}"
    place.mkdir(parents=True, exist_ok=True)
    page = open_page(width, language, theme)
    pages = addresses | variants
    for name in os.environ.get("PAGES", "").split() or pages:
        page.goto(pages[name])
        page.screenshot(path=place / f"{re.sub('[^a-zA-Z0-9_]+', '-', name)}.png", full_page=True)
