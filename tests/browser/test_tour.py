"""The guided tour of the demonstration, in a real browser: every step as the banner says it, until it says that it is over."""

import re

import pytest

from tests.browser.test_first_start import page
from tests.support.demonstration import Demonstration

__all__ = ["page"]

pytestmark = [pytest.mark.browser, pytest.mark.process]

SOON = 90_000
"""Milliseconds in which a step goes on by itself; a look at a server that does not present the new certificate takes a minute."""


class Visitor:
    def __init__(self, page, demonstration):
        self.page, self.demonstration = page, demonstration
        self.banner = page.locator("#demonstration")

    def log_in(self):
        self.page.goto(self.demonstration.address)
        # As the page says it.
        user, password = re.search(r"Log in as “(\w+)” with the password (\S+)\.", self.banner.inner_text()).groups()
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def sees(self, words):
        self.banner.get_by_text(words).wait_for(timeout=SOON)

    def presses(self, name):
        self.banner.get_by_role("button", name=name, exact=True).click()

    def goes_there(self):
        self.banner.get_by_role("link", name="Go there").click()

    def generates(self):
        self.goes_there()
        self.page.get_by_role("button", name="Generate", exact=True).click()


@pytest.fixture
def visitor(page, tmp_path):
    with Demonstration(tmp_path, "--terminals", "20") as demonstration:
        visitor = Visitor(page, demonstration)
        visitor.log_in()
        yield visitor
        # Its page asks for news as long as it is open.
        page.goto("about:blank")


@pytest.mark.long
def test_the_tour_goes_on_by_itself_from_the_first_step_to_the_end(visitor):
    visitor.sees("Step 1 of 6")
    visitor.generates()
    visitor.sees("Step 2 of 6")
    visitor.goes_there()
    visitor.presses("It is night")

    visitor.sees("Step 3 of 6")
    while visitor.banner.get_by_text("Step 3 of 6").is_visible():
        visitor.page.goto(f"{visitor.demonstration.address}/terminals/work-list/")
        by_type = visitor.page.locator("#work-by-type:not([open]) > summary")
        if by_type.is_visible():
            by_type.click()
        confirm = visitor.page.get_by_role("link", name="Confirm all of this type").first
        if not confirm.is_visible():
            break
        confirm.click()
        visitor.page.get_by_role("button", name="Confirm all").click()
        visitor.page.get_by_role("heading", name="Work list").wait_for()

    visitor.sees("Step 5 of 6")
    visitor.presses("Let it keep its old certificate")
    visitor.sees("It keeps its old certificate at a reload.")
    visitor.generates()
    visitor.sees("Or bring them along as before.")
    visitor.presses("The deadline is here")
    visitor.sees("It is looked at for a minute")

    visitor.sees("Step 6 of 6")
    visitor.presses("Let it work")
    visitor.sees("Communication server: It works.")
    visitor.goes_there()
    visitor.page.get_by_label("Password").fill(visitor.demonstration.password)
    visitor.page.locator("main form button[type=submit]").click()
    visitor.sees("The tour is over.")
