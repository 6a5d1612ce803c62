"""What people come for, each in at most so many clicks after the login; a choice in a list and what is typed are none."""

import re

import pytest

from pbxcerts.system.models import General, User
from terminals.by_hand.models import Link
from terminals.models import Terminal
from tests.browser.test_accessibility import open_page
from tests.panel.test_overview import alive
from tests.terminals.pages.conftest import fleet, mixed, put, world, yealink

__all__ = ["alive", "fleet", "mixed", "open_page", "put", "world", "yealink"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Visitor:
    """Somebody who has logged in and sees the first page; counts the clicks."""

    def __init__(self, page):
        self.page, self.clicks = page, 0
        page.goto("/")

    def click(self, role, name, *, exact=True, within="main"):
        self.page.locator(within).get_by_role(role, name=name, exact=exact).first.click()
        self.clicks += 1

    def opens(self, view):
        """By the tree of views."""
        name = re.compile(rf"^\s*{re.escape(view)}\b")
        self.page.get_by_role("navigation").get_by_role("link", name=name).first.click()
        self.clicks += 1

    def types(self, label, words):
        self.page.get_by_label(label, exact=True).fill(words)

    def searches(self, words):
        self.page.keyboard.press("/")
        self.page.keyboard.type(words)
        self.page.keyboard.press("Enter")

    def sees(self, words):
        self.page.locator("main").get_by_text(words).first.wait_for()

    @property
    def reads(self):
        return " ".join(self.page.locator("main").inner_text().split())


@pytest.fixture
def visitor(mixed, alive, open_page):
    return Visitor(open_page(1280, "de"))


def test_the_interval_in_two(visitor):
    visitor.opens("Selbstsignierte Zertifikate")
    visitor.types("Zertifikate automatisch neu generieren nach (Tagen)", "180")
    visitor.click("button", "Übernehmen")

    visitor.sees("365 → 180")
    assert visitor.clicks == 2


def test_the_right_file_for_a_yealink_and_how_in_two(visitor):
    visitor.opens("Arbeitsliste")
    with visitor.page.expect_download() as download:
        visitor.click("link", re.compile("^Herunterladen"), exact=False)

    assert b"BEGIN CERTIFICATE" in download.value.path().read_bytes()
    visitor.sees("Sicherheit > Zertifikate")
    assert visitor.clicks == 2


def test_why_one_has_not_got_it_without_a_click(visitor):
    number = Terminal.objects.filter(type__name="A Yealink").first().number
    visitor.searches(number)

    visitor.page.get_by_role("heading", name=f"Endgerät {number}").wait_for()
    message = visitor.page.locator("#why-missing")
    assert "Es steht auf der Arbeitsliste." in message.inner_text()
    assert message.bounding_box()["y"] < 200
    assert visitor.clicks == 0


def test_what_happens_tonight_without_a_click(visitor):
    said = visitor.reads

    assert "Der Kommunikationsserver bleibt bei Generation 1." in said
    assert "Etwa 12 Telefone starten neu, in dieser Reihenfolge:" in said
    assert "die ersten: 1 Telefon: " in said
    heading = visitor.page.locator("#tonight-heading")
    assert heading.bounding_box()["y"] < 800


def test_new_certificates_for_another_address_in_three(visitor):
    visitor.opens("Allgemein")
    visitor.types("IP-Adressen", "192.0.2.99")
    visitor.click("button", "Übernehmen")
    visitor.page.get_by_role("heading", name="Zertifikate generieren").wait_for()
    visitor.click("button", "Generieren")

    visitor.sees("Generation 3 wird jetzt generiert.")
    assert visitor.clicks == 3


def test_back_to_the_generation_before_in_two(visitor, mixed, password):
    mixed.world.activate()
    visitor.page.reload()
    visitor.click("link", "Zurück zu Generation 1")
    assert visitor.page.get_by_role("heading", level=1).inner_text() == "Zurück zu Generation 1"
    visitor.types("Ihr Passwort", password)
    visitor.click("button", "Zurück zu Generation 1")

    visitor.sees("auf Generation 1 zurückgeschaltet")
    assert visitor.clicks == 2


def test_three_telephones_by_csv_in_four(visitor, tmp_path):
    file = tmp_path / "telefone.csv"
    file.write_bytes(
        "Nummer;Name;Typ;IP-Adresse\n901;Empfang;A Yeal;192.0.2.201\n902;Büro;A Yeal;\n903;Labor;An agent;\n".encode(
            "cp1252"
        )
    )
    visitor.opens("Endgeräte")
    visitor.click("link", "CSV importieren")
    visitor.page.locator("input[type=file]").set_input_files(file)
    visitor.click("button", "Vorschau anzeigen")
    visitor.sees("„A Yeal“, 2 Zeilen, gilt als")
    assert "901 Empfang A Yealink 192.0.2.201" in visitor.reads
    visitor.click("button", "Alle importieren")

    visitor.sees("3 Endgeräte hinzugefügt")
    assert visitor.clicks == 4


def test_a_link_for_a_technician_in_two(visitor):
    General.objects.update(own_names=["localhost"])
    visitor.opens("Arbeitsliste")
    visitor.click("button", "Persönlicher Link")
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    address = visitor.page.locator("#link-address").inner_text()
    assert Link.objects.count() == 1
    assert "/terminals/link/" in address
    # The tests know no other name of this machine.
    visitor.sees("Diese Adresse gilt nur auf dieser Maschine")
    assert visitor.clicks == 2
    visitor.click("button", "Kopieren")
    visitor.sees("Kopiert")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == address


def test_a_second_user_who_may_only_look_in_three(visitor, password):
    visitor.opens("Benutzer")
    visitor.click("link", re.compile("Benutzer (anlegen|hinzufügen)"), exact=False)
    visitor.types("Benutzername", "vera")
    for field in visitor.page.locator("input[type=password]").all():
        field.fill("neun kupferne kessel")
    visitor.click("button", "Übernehmen")
    visitor.page.get_by_text("vera").first.wait_for()

    assert visitor.clicks == 3
    assert User.objects.get(username="vera").role == "view"


def test_who_may_only_look_is_told_to_generate_nothing(mixed, open_page, live_server, viewer_client):
    General.objects.update(ip_addresses=["192.0.2.99"])
    page = open_page(1280, "de")
    page.context.clear_cookies()
    cookies = viewer_client.cookies.items()
    page.context.add_cookies(
        [{"name": name, "value": morsel.value, "url": live_server.url} for name, morsel in cookies]
    )
    for address in ("/", "/certificates/", "/system/events/"):
        page.goto(address)
        said = page.locator("main").inner_text()
        assert page.url.endswith(address)
        assert not re.search(r"Generieren Sie|Jetzt generieren|Erste Schritte", said), address
