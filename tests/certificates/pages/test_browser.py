"""The page in a real browser: it follows what happens without being loaded again, and breaks no policy."""

import pytest

from certificates.models import Generation
from certificates.renewal import orders
from pbxcerts.system.models import General

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser, live_server, world, administrator_client):
    """An administrator's, over the world of the test; whatever the browser complains of fails the test."""
    context = browser.new_context(base_url=live_server.url, accept_downloads=True)
    session = administrator_client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert complaints == []


def test_it_shows_progress_and_result_without_being_loaded_again(page, world):
    page.goto("/certificates/generate/")
    page.get_by_label("Reason").fill("start")
    page.get_by_role("button", name="Generate").click()
    page.get_by_text("Generation 1 is ordered").first.wait_for()
    page.evaluate("window.sameDocument = true")

    world.beat()
    page.get_by_role("heading", name="Generation 1").wait_for()
    page.get_by_role("link", name="Generate now").wait_for()
    assert page.get_by_text("In progress").count() == 0
    assert page.locator("#announcement").inner_text() == "Generation 1 is active."
    assert page.evaluate("window.sameDocument") is True


def test_one_click_downloads_the_published_file(page, world):
    world.generate()
    page.goto("/certificates/")
    for link, published in (
        ("Download host certificate", "current/host.pem"),
        ("Download trust bundle", "trust.pem"),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=link, exact=True).click()

        assert download.value.path().read_bytes() == world.published(published).read_bytes()
        assert download.value.suggested_filename.startswith("zuerich-sued-0001-")


def test_the_password_is_asked_for_where_it_is_needed(page, world):
    world.generate()
    page.goto("/certificates/generate/")
    password = page.get_by_label("Your password")
    assert not password.is_visible()

    page.get_by_label("at once").check()
    assert password.is_visible()


def test_what_a_person_has_opened_stays_open(page, world):
    world.generate()
    orders.order_generation(world.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))
    page.goto("/certificates/")
    with page.expect_response("**/certificates/status/"):
        pass
    page.get_by_role("button", name="Other formats").click()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert page.get_by_role("link", name="Root certificate of generation 1, DER").is_visible()
    assert asked == []

    page.keyboard.press("Escape")
    with page.expect_response("**/certificates/status/"):
        pass


def tab_to(page, control):
    """With the Tab key alone: what it does not reach within a page's controls fails."""
    for _ in range(40):
        if control.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{control} is not reached with the Tab key")


def test_every_thing_can_be_done_with_the_keyboard(page, world, password):
    world.generate()
    page.goto("/certificates/generate/")
    page.get_by_label("with handover").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("at once").is_checked()
    tab_to(page, page.get_by_label("Reason"))
    page.keyboard.type("keys only")
    tab_to(page, page.get_by_label("Your password"))
    page.keyboard.type(password)
    tab_to(page, page.get_by_role("button", name="Generate"))
    page.keyboard.press("Enter")
    page.get_by_text("Generation 2 is being generated.").wait_for()

    assert world.generation(2).reason == "keys only"
    assert world.generation(2).at_once


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(
    "path", ["", "generate/", "2/activate/", "2/deadline/", "2/discard/", "1/withdraw/", "history/", "history/2/"]
)
def test_no_page_is_wider_than_the_window(page, world, path, language, width):
    General.objects.update(language=language)
    world.generate()
    world.generate()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/certificates/{path}")

    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("h1").count() == 1


def test_the_menu_of_a_person_changes_the_page_that_is_open_and_logs_out(page, world):
    world.generate()
    page.goto("/certificates/history/?state=active")

    def choose(name):
        page.locator(".user-menu > button").click()
        page.get_by_role("button", name=name, exact=True).click()

    choose("Dark")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    choose("Deutsch")
    page.get_by_role("heading", name="Verlauf").wait_for()
    assert page.url.endswith("/certificates/history/?state=active")

    choose("Abmelden")
    page.get_by_label("Passwort", exact=True).wait_for()
    assert page.url.endswith("/login/")
    page.get_by_role("button", name="English").click()
    page.get_by_label("Password", exact=True).wait_for()
