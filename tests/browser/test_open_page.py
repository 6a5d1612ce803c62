"""A page that is left open: what it says when nobody answers, when its session is over, and when the product was updated."""

import re

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from certificates.models import Settings
from pbxcerts.panel import moved
from pbxcerts.system.models import EventMessage, Session
from tests.terminals.pages.conftest import world

__all__ = ["world"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LANGUAGE = settings.LANGUAGE_COOKIE_NAME
LOST = re.compile(r"antwortet seit [\d:]+ nicht")
BACK = re.compile(r"antwortet seit [\d:]+ wieder")
TYPED = "180"


@pytest.fixture
def page(world, browser, live_server, administrator_client):
    """The settings, with something typed that is not applied yet."""
    context = browser.new_context()
    cookies = {name: morsel.value for name, morsel in administrator_client.cookies.items()} | {LANGUAGE: "de"}
    context.add_cookies([{"name": name, "value": value, "url": live_server.url} for name, value in cookies.items()])
    page = context.new_page()
    page.goto(live_server.url + reverse("certificates:overview"))
    page.locator("[name=interval_days]").fill(TYPED)
    yield page
    context.close()


def ask(page):
    """As when the tab is seen again: all parts of the page ask now."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def shown(page):
    return page.locator("[data-connection]:visible")


def test_it_says_when_nobody_answers_and_goes_on_by_itself(page):
    assert shown(page).count() == 0
    page.context.set_offline(True)
    ask(page)
    shown(page).get_by_text(LOST).wait_for()

    EventMessage.objects.create(kind="clock_unsafe", severity="critical", raised_at=timezone.now())
    page.context.set_offline(False)
    ask(page)
    shown(page).get_by_text(BACK).wait_for()
    page.locator("#states .state-critical").wait_for()
    assert shown(page).count() == 1
    assert page.locator("[name=interval_days]").input_value() == TYPED


def test_it_says_when_the_session_is_over_and_keeps_what_was_typed(page):
    Session.objects.all().delete()
    ask(page)
    shown(page).get_by_text("Ihre Sitzung ist beendet").wait_for()
    assert page.locator("[name=interval_days]").input_value() == TYPED
    page.get_by_role("link", name="Wieder anmelden").click()
    page.wait_for_url("**/login/**")


def test_it_says_when_the_product_was_updated(page, monkeypatch):
    monkeypatch.setattr(moved, "__version__", "99.0.0")
    ask(page)
    shown(page).get_by_text("wurde aktualisiert").wait_for()
    assert shown(page).count() == 1


def test_a_hidden_page_asks_for_nothing_and_once_when_it_is_seen_again(page):
    page.clock.install()
    page.reload()
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.isHidden, configurable: true})")
    page.evaluate("window.isHidden = true")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    ask(page)
    page.clock.run_for(1_000)
    assert asked == []

    page.evaluate("window.isHidden = false")
    with page.expect_response("**/status/"):
        ask(page)
    assert len(asked) == 1


def test_a_page_that_is_seen_asks_by_itself(page):
    page.clock.install()
    page.reload()
    with page.expect_response("**/status/"):
        page.clock.run_for(21_000)


def test_what_has_not_moved_is_left_as_it_is(page):
    ask(page)
    page.wait_for_load_state("networkidle")
    answers = []
    page.on("response", lambda response: answers.append(response.status))
    with page.expect_response("**/status/"):
        ask(page)
    Settings.objects.update(version=99)
    with page.expect_response("**/status/"):
        ask(page)
    # A minute may end in between.
    assert answers in ([204, 200], [200, 200])
    assert answers[-1] == 200
