"""What goes wrong, in a real browser: a session that ends while a form is filled in, and a database that is away for a while."""

import re

import pytest
from django.conf import settings
from django.db import OperationalError
from django.urls import reverse

from pbxcerts.system.models import General, Session
from pbxcerts.system.users import known_browsers
from tests.browser.test_accessibility import findings
from tests.support.product import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = ROOT / ".cache" / "screenshots" / "errors"


def take_picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def opened(browser, live_server, client, width=1280):
    context = browser.new_context(base_url=live_server.url, viewport={"width": width, "height": 800})
    context.add_cookies(
        [{"name": name, "value": one.value, "url": live_server.url} for name, one in client.cookies.items()]
    )
    return context.new_page()


def violations(page):
    """Of a page that is the answer to a form, or comes back by itself."""
    from axe_playwright_python.sync_playwright import Axe

    return [one["id"] for one in Axe().run(page).response["violations"]]


@pytest.mark.parametrize(("width", "language"), [(1280, "de"), (390, "en")])
def test_what_was_typed_is_in_the_form_again_after_the_log_in(
    browser, live_server, administrator, administrator_client, password, width, language
):
    General.load()
    General.objects.update(language=language)
    administrator_client.cookies[settings.KNOWN_BROWSER_COOKIE_NAME] = known_browsers.sign_of(administrator)
    page = opened(browser, live_server, administrator_client, width)
    page.goto(reverse("system:general"))
    page.locator("#id_site_name").fill("Werk <Süd>")
    page.locator("#id_dns_names").fill("a.example.com\nb.example.com")
    Session.objects.all().delete()
    page.locator("#settings button[type=submit]").click()

    take_picture(page, f"session-over-{width}")
    assert violations(page) == []
    page.locator("#id_username").fill(administrator.username)
    page.locator("#id_password").fill(password)
    page.locator("main button[type=submit]").first.click()

    page.wait_for_url(f"**{reverse('system:general')}")
    assert page.locator("#id_site_name").input_value() == "Werk <Süd>"
    assert page.locator("#id_dns_names").input_value() == "a.example.com\nb.example.com"
    assert page.locator("main .message-warning").is_visible()
    assert General.load().site_name == ""
    take_picture(page, f"given-back-{width}")
    page.locator("#settings button[type=submit]").click()
    page.locator(".message-success").wait_for()
    assert General.load().site_name == "Werk <Süd>"


def test_a_page_comes_back_by_itself_when_the_database_does(browser, live_server, administrator_client, monkeypatch):
    General.load()
    page = opened(browser, live_server, administrator_client)
    monkeypatch.setattr("pbxcerts.panel.error_pages.AGAIN_AFTER", 1)
    with monkeypatch.context() as away:

        def load():
            raise OperationalError("database is locked")

        away.setattr(General, "load", load)
        assert page.goto(reverse("system:events")).status == 503
        assert page.locator("#recovers").is_visible()
        take_picture(page, "locked")
        assert violations(page) == []
    page.get_by_role("heading", name=re.compile("Ereignismeldungen")).wait_for(timeout=15_000)


@pytest.mark.parametrize(("width", "language"), [(1280, "de"), (390, "en")])
def test_every_page_of_an_error_is_found_in_order(
    browser, live_server, viewer, viewer_client, monkeypatch, width, language
):
    General.load()
    General.objects.update(language=language)
    page = opened(browser, live_server, viewer_client, width)
    monkeypatch.setattr("pbxcerts.system.views.events.PER_PAGE", "no number")
    found = []
    for name, address, status in [
        ("404", "/no-such-page/", 404),
        ("405", reverse("account_end_session"), 405),
        ("403", reverse("system:users"), 403),
        ("500", reverse("system:events"), 500),
    ]:
        said = [one for one in findings(page, name, address) if not one.endswith(f"status {status}")]
        take_picture(page, f"{name}-{width}")
        found += said
    page.goto("/account/")
    page.evaluate("document.querySelector('main form [name=csrfmiddlewaretoken]').value = 'x'")
    page.locator("main .actions-form button[type=submit]").click()
    assert page.locator("#kept-entries button").is_visible()
    take_picture(page, f"csrf-{width}")
    page.locator("#kept-entries button").click()
    page.locator("#id_language").wait_for()
    assert found == []
