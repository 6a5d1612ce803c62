"""From the first start to the first download, in a real browser on the real product: the way an administrator takes."""

import re
import sys

import pytest

from tests.support import forked
from tests.support.chromium import chromium
from tests.support.product import ROOT
from tests.support.running import MANAGE, Tree, wait_for

pytestmark = pytest.mark.browser
PASSWORD = "korrekt-pferd-batterie"


@pytest.fixture
def tree(tmp_path):
    with Tree(tmp_path) as tree:
        yield tree.install().start(program=MANAGE)


@pytest.fixture
def page():
    with chromium() as browser:
        page = browser.new_context(accept_downloads=True).new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert complaints == []


def set_up_link(tree):
    return wait_for(lambda: re.search(r"http://\S+/setup/#\S+", tree.log.read_text()))[0]


def status(tree):
    done = forked.run(
        [sys.executable, str(MANAGE), "status", "--json"],
        cwd=ROOT,
        env=tree.environment,
        capture_output=True,
        text=True,
    )
    return done.stdout


def tab_to(page, label):
    """Press Tab until the control with this name has the focus: what a keyboard can't reach fails."""
    named = page.get_by_label(label, exact=True).or_(page.get_by_role("button", name=label, exact=True))
    named = named.or_(page.get_by_role("link", name=label, exact=True))
    for _ in range(80):
        if named.first.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{label} is not reached with Tab")


def test_an_administrator_goes_from_the_set_up_link_to_the_published_file_with_the_keyboard_alone(tree, page):
    base = f"http://127.0.0.1:{tree.port}"
    link = set_up_link(tree)
    page.goto(link)
    tab_to(page, "Benutzername")
    page.keyboard.type("admin")
    tab_to(page, "Passwort")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Erster Start, Schritt 2 von 4: Namen und Adressen").wait_for()

    token = link.partition("#")[2]
    assert token not in tree.log.read_text().replace(link, "")
    assert page.request.get(f"{base}/setup/").status == 404

    tab_to(page, "Name des Kommunikationsservers (FQDN)")
    page.keyboard.press("Control+A")
    page.keyboard.type("pbx.example.org")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Erster Start, Schritt 3 von 4: Uhr").wait_for()
    tab_to(page, "Später")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Erster Start, Schritt 4 von 4: Erste Generation").wait_for()
    tab_to(page, "Grund")
    page.keyboard.type("Inbetriebnahme")
    tab_to(page, "Trotz nicht gesicherter Uhrzeit generieren")
    page.keyboard.press("Space")
    tab_to(page, "Generieren")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Übersicht").wait_for()
    page.get_by_text("Gespräche sind bis").wait_for(timeout=60_000)
    page.get_by_text("Erster Start, Schritt 3 von 4: Uhr").wait_for()
    page.goto(f"{base}/certificates/")

    with page.expect_download() as download:
        page.get_by_role("link", name="Hostzertifikat herunterladen", exact=True).press("Enter")
    assert download.value.path().read_bytes() == (tree.data / "store" / "current" / "host.pem").read_bytes()

    page.goto(f"{base}/certificates/history/")
    assert page.get_by_text("Inbetriebnahme").first.is_visible()

    (session,) = [cookie["name"] for cookie in page.context.cookies() if cookie["name"].endswith("-session")]
    page.context.add_cookies([{"name": session.replace("-session", "-language"), "value": "en", "url": base}])
    page.goto(f"{base}/certificates/")
    page.get_by_role("heading", name="Self-signed certificates").wait_for()
    assert page.locator("html").get_attribute("lang") == "en"
    assert '"current": 1' in status(tree)


def test_the_set_up_link_of_another_start_opens_nothing(tree, page):
    link = set_up_link(tree)
    page.goto(link[:-4] + "AAAA")
    page.get_by_label("Benutzername").fill("mallory")
    page.get_by_label("Passwort", exact=True).fill(PASSWORD)
    page.locator("input[type=password]").last.fill(PASSWORD)
    page.locator("button[type=submit]").last.click()

    page.get_by_role("heading", name="pbxcerts").first.wait_for()
    page.goto(f"http://127.0.0.1:{tree.port}/certificates/")
    assert "/login/" in page.url
