"""Help beside each parameter: whatever a person can fill in on any page says what it is for, to eyes and ears."""

from html.parser import HTMLParser

import pytest

from tests.browser.conftest import everything
from tests.browser.test_accessibility import addresses, variants
from tests.terminals.pages.conftest import english, fleet, mixed, world, yealink

pytestmark = pytest.mark.simulation


__all__ = ["addresses", "english", "everything", "fleet", "mixed", "variants", "world", "yealink"]

NOTHING_TO_FILL_IN = {"hidden", "submit", "button"}


class Controls(HTMLParser):
    """The controls of a page with the elements that are said to describe them, and the text of each element with an id."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.texts = {}
        self.open = []
        self.marks = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag in {"input", "select", "textarea"}:
            around = [one for _tag, one in self.open if one.get("role") == "group"]
            described = " ".join(one.get("aria-describedby") or "" for one in (attributes, *around[-1:]))
            self.found.append((attributes, described.split()))
        if attributes.get("class") == "help-mark" and "href" in attributes:
            self.marks.append((attributes["href"], attributes.get("aria-label", "")))
        if tag not in {"input", "meta", "link", "br", "hr", "img"}:
            self.open.append((tag, attributes))
        if "id" in attributes:
            self.texts.setdefault(attributes["id"], "")

    def handle_endtag(self, tag):
        if any(tag == one for one, _attributes in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        for _tag, attributes in self.open:
            if attributes.get("id"):
                self.texts[attributes["id"]] += data

    def without_help(self):
        """The names of those that a person fills in and nothing explains. The search box explains itself with its label; a name
        that is there for a password manager alone can't be seen.
        """
        return [
            attributes.get("name")
            for attributes, described in self.found
            if attributes.get("type") not in NOTHING_TO_FILL_IN
            and attributes.get("id") != "search"
            and "hidden" not in attributes
            and not any(self.texts.get(one, "").strip() for one in described)
        ]


def test_every_field_of_every_page_is_explained(addresses, variants, administrator_client, subtests):
    seen = 0
    for name, address in (addresses | variants).items():
        controls = Controls(administrator_client.get(address).content.decode())
        seen += len(controls.found)
        with subtests.test(page=name):
            assert controls.without_help() == []
    assert seen > 200


@pytest.mark.parametrize("path", ["/login/", "/terminals/import/"])
def test_so_is_every_field_of_pages_before_and_beside(client, administrator_client, path):
    reader = client if path == "/login/" else administrator_client

    assert Controls(reader.get(path).content.decode()).without_help() == []


def test_a_field_without_help_would_be_found():
    page = '<input name="a"><input name="b" aria-describedby="b_help"><input name="c" aria-describedby="c_help">'
    page += '<p id="b_help"> </p><p id="c_help">What for</p><input type="hidden" name="d">'

    assert Controls(page).without_help() == ["a", "b"]


def test_a_mark_beside_a_filter_leads_to_its_place_in_the_help(addresses, administrator_client, subtests):
    pages = ["certificates:history", "system:events", "terminals:terminals", "terminals:work_list:list"]
    for name in pages:
        # The work list shows its filter where something is filtered, or where it is long.
        marks = Controls(administrator_client.get(addresses[name], {"text": "1"}).content.decode()).marks
        assert marks, name
        for href, label in marks:
            with subtests.test(page=name, href=href):
                page, _, anchor = href.partition("#")
                assert label.startswith("Help: ")
                assert f'id="{anchor}"' in administrator_client.get(page).content.decode()
