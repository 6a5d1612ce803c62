"""What a page looks like elsewhere than on a screen in our colours: on paper, and in the colours of the reader's system."""

import re

import pytest
from django.urls import reverse

from certificates.models import Generation
from pbxcerts.system.models import General
from tests.browser.conftest import a_proof
from tests.browser.test_accessibility import open_page
from tests.terminals.pages.conftest import world

__all__ = ["open_page", "world"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sheets(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_a_generation_is_one_sheet_that_says_of_whom_and_when(open_page, world):
    for _ in range(3):
        a_proof(Generation.objects.get(number=1))
    page = open_page(1280, "de")
    page.goto(reverse("certificates:generation", kwargs={"number": 1}))
    assert page.locator(".proof").count() == 3
    assert sheets(page.pdf(format="A4")) == 1

    page.emulate_media(media="print")
    for pressed in (".btn", ".tree", ".titlebar-search", "#states"):
        assert not page.locator(f"{pressed}:visible").count(), pressed
    assert page.locator(".titlebar-name").inner_text() == General.load().site_name
    for said in (page.locator(".on-paper").inner_text(), page.locator("main").inner_text()):
        assert re.search(r"Stand vom \d\d\.\d\d\.\d{4}, \d\d:\d\d", said)
    assert page.get_by_text("SHA-256").first.is_visible()
    assert page.locator(".proof:visible").count() == 1, "the last one"

    page.emulate_media(media="screen")
    assert not page.locator(".on-paper").is_visible()


def test_in_the_colours_of_the_system_one_entry_of_the_tree_is_marked(open_page, world):
    page = open_page(1280, "de")
    page.emulate_media(forced_colors="active")
    page.goto(reverse("certificates:history"))
    borders = page.locator(".tree a").evaluate_all(
        "links => links.map(link => [link.hasAttribute('aria-current'), getComputedStyle(link).borderLeftColor])"
    )
    marked = {colour for current, colour in borders if current}
    assert len(marked) == 1
    # A border that is there for its entry alone has the colour of the ground on all others.
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert {colour for current, colour in borders if not current} == {ground}
    assert marked != {ground}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_typed_into_the_search_has_another_colour_than_its_field(open_page, world, theme):
    page = open_page(1280, "de", theme)
    page.goto(reverse("certificates:history"))
    page.keyboard.press("/")
    ink, paper = page.evaluate(
        "(style => [style.color, style.backgroundColor])(getComputedStyle(document.activeElement))"
    )
    assert page.evaluate("document.activeElement.type") == "search"
    channels = [[int(value) for value in re.findall(r"\d+", colour)[:3]] for colour in (ink, paper)]
    assert all(abs(one - other) > 100 for one, other in zip(*channels, strict=True)), (ink, paper)


MOVES = """
[...document.querySelectorAll("body *")].filter((one) => {
  const style = getComputedStyle(one);
  return style.animationName !== "none" || style.transitionDuration.split(", ").some((seconds) => parseFloat(seconds) > 0);
}).length
"""


def test_nothing_moves_for_who_wants_no_motion(open_page, world):
    page = open_page(1280, "de")
    page.goto(reverse("certificates:overview"))
    assert page.evaluate(MOVES)

    page.emulate_media(reduced_motion="reduce")
    assert not page.evaluate(MOVES)
