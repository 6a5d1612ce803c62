"""Where a personal link leads: to an address that the technician's own machine reaches; and links of all of a type, to be printed."""

import re

import pytest

from pbxcerts.system.models import General
from terminals.by_hand import links
from terminals.by_hand.models import Link
from terminals.models import Terminal

SHEET = "/terminals/work-list/types/{}/links/"


@pytest.fixture
def terminal(mixed):
    return Terminal.objects.filter(type__method="sip_standard").first()


@pytest.fixture
def made(terminal, operator_client, settings):
    """The page after a link was made by somebody whose browser asked for this host."""
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", "pbx.example.com", "panel.example.org"]

    def page(host):
        url = f"/terminals/work-list/{terminal.pk}/link/"
        return operator_client.post(url, headers={"host": host}).content.decode()

    return page


def origin(page):
    return re.search(r'href="(http[^"]*?)/terminals/link/', page)[1]


def test_it_leads_to_where_the_person_is_who_made_it(made):
    assert origin(made("panel.example.org:8000")) == "http://panel.example.org:8000"


@pytest.mark.parametrize("here", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_from_the_machine_itself_it_leads_to_a_name_of_it(made, here):
    General.objects.update(own_names=["panel.example.org"])
    page = made(here)

    assert origin(page) == "http://panel.example.org:8000"
    assert "works on this machine alone" not in page


def test_the_origin_of_a_declared_proxy_goes_first(made, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.org", "https://localhost", "https://panel.example.org"]
    General.objects.update(own_names=["pbx.example.com"])

    assert origin(made("127.0.0.1:8000")) == "https://panel.example.org"


def test_the_communication_servers_name_is_ours_where_it_is_this_machine(made):
    General.objects.update(on_this_machine=True, fqdn="pbx.example.com")
    assert origin(made("127.0.0.1:8000")) == "http://pbx.example.com:8000"

    General.objects.update(on_this_machine=False)
    assert "works on this machine alone" in made("127.0.0.1:8000")


def test_where_only_loopback_is_known_it_says_so(made):
    General.objects.update(own_names=["not.answered.to.example"], on_this_machine=False)
    page = made("127.0.0.1:8000")

    assert origin(page) == "http://127.0.0.1:8000"
    assert "works on this machine alone" in page
    assert "PBXCERTS_HOSTS" in page


def test_one_click_makes_it_and_the_second_time_the_page_asks(mixed, terminal, operator_client):
    url = f"/terminals/work-list/{terminal.pk}/link/"
    assert f'formaction="{url}"' in operator_client.get("/terminals/work-list/").content.decode()
    operator_client.post(url)

    listed = operator_client.get("/terminals/work-list/").content.decode()
    assert f'formaction="{url}"' not in listed
    assert f'href="{url}"' in listed


def test_a_sheet_has_a_link_for_each_of_a_type(mixed, yealink, operator_client, text):
    asked = text(operator_client.get(SHEET.format(yealink.pk)))
    assert "3 terminals of this type are left." in asked
    assert not Link.objects.exists()

    page = operator_client.post(SHEET.format(yealink.pk), {"sheet": "1"}).content.decode()

    tokens = re.findall(r"/terminals/link/([\w-]+)/", page)
    assert len(set(tokens)) == 3
    assert page.count('class="qr-code"') == 3
    opened = {links.open_link(mixed.world.situation, one, address="").terminal for one in set(tokens)}
    assert opened == set(Terminal.objects.filter(type=yealink))


def test_many_of_a_type_are_several_sheets(mixed, yealink, operator_client):
    mixed.add(60, yealink)
    mixed.beat()
    page = operator_client.get(SHEET.format(yealink.pk)).content.decode()
    assert page.count('name="sheet"') == 2

    operator_client.post(SHEET.format(yealink.pk), {"sheet": "2"})
    assert Link.objects.count() == 13


@pytest.mark.parametrize("sheet", ["", "0", "2", "-1", "x", "9" * 5000])
def test_a_sheet_that_is_none_makes_nothing(mixed, yealink, operator_client, sheet):
    assert operator_client.post(SHEET.format(yealink.pk), {"sheet": sheet}).status_code == 200
    assert not Link.objects.exists()


def test_a_viewer_makes_no_sheet(mixed, yealink, viewer_client):
    assert viewer_client.get(SHEET.format(yealink.pk)).status_code == 403
    assert viewer_client.post(SHEET.format(yealink.pk), {"sheet": "1"}).status_code == 403


def test_of_a_type_that_nobody_is_left_of_there_is_none(mixed, yealink, operator_client):
    Terminal.objects.filter(type=yealink).update(enabled=False)

    assert operator_client.get(SHEET.format(yealink.pk))["Location"] == "/terminals/work-list/"
