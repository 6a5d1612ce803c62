"""The rollout and the work list in a real browser: they follow what happens, and break no policy."""

import pytest
from django.core.cache import cache

from terminals.models import Installation, Rollout

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_page(browser, live_server, mixed):
    """A page for a browser of its own; whatever it complains of fails the test."""
    cache.clear()
    complaints = []

    def opened(client=None, width=1280):
        context = browser.new_context(
            base_url=live_server.url, locale="en-GB", viewport={"width": width, "height": 800}
        )
        if client is not None:
            session = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    assert complaints == []


def test_progress_and_end_come_without_loading_the_page_again(open_page, operator_client, mixed, put):
    put("mitel_sip", 1, state="heard")
    page = open_page(operator_client)
    page.goto("/terminals/rollout/")
    page.evaluate("window.sameDocument = true")
    page.focus("#pause")

    Installation.objects.filter(generation=2).update(state="confirmed", confirmed_at=mixed.world.now)

    page.get_by_text("Every terminal has the certificates of generation 2").first.wait_for()
    assert page.get_by_role("progressbar", name="Generation 2").get_attribute("value") == "21"
    assert page.evaluate("window.sameDocument") is True


def test_the_buttons_keep_the_focus_while_the_page_asks_for_itself(open_page, operator_client, put):
    put("mitel_sip", 1, state="heard")
    page = open_page(operator_client)
    page.goto("/terminals/rollout/")
    page.focus("#pause")

    with page.expect_response("**/terminals/rollout/status/"):
        pass
    page.wait_for_function("document.activeElement.id === 'pause'")
    page.keyboard.press("Enter")

    page.get_by_text("The rollout is paused").wait_for()
    assert Rollout.objects.get(generation=2).state == "paused"


def test_from_the_work_list_to_the_desk_and_back(open_page, operator_client):
    page = open_page(operator_client)
    page.goto("/terminals/work-list/")
    page.get_by_role("button", name="Personal link").first.click()
    assert page.locator("svg.qr-code").bounding_box()["width"] >= 200
    address = page.locator("a.link-address").get_attribute("href")

    desk = open_page(width=390)
    desk.goto(address)
    desk.get_by_text("SHA-256 of what is in it").click()
    desk.get_by_label("Your name").fill("Petra Muster")
    desk.get_by_role("button", name="It is installed").click()
    desk.get_by_role("heading", name="Thank you").wait_for()

    page.goto("/terminals/work-list/")
    page.get_by_text("2 terminals need generation 2 by hand").wait_for()
    row = Installation.objects.get(generation=2, evidence="person")
    assert row.confirmed_by == "Petra Muster (personal link)"


@pytest.mark.parametrize("path", ["/terminals/rollout/", "/terminals/work-list/", "/terminals/delivery/"])
def test_nothing_is_wider_than_a_telephones_screen(open_page, administrator_client, mixed, put, path):
    put("mitel_sip", 1, state="failed", failure="refused")
    page = open_page(administrator_client, width=390)
    page.goto(path)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
