"""The first start: four steps that can be left for later, with what the machine knows filled in."""

import re

import pytest
from django.urls import reverse

from certificates.models import Generation
from pbxcerts.system.models import General
from pbxcerts.system.network import interfaces
from pbxcerts.system.time import machine_ntp
from tests.terminals.pages.conftest import english, text, world

__all__ = ["english", "text", "world"]

START = "/first-start/"
NAMES, CLOCK, GENERATION = f"{START}names/", f"{START}clock/", f"{START}generation/"


@pytest.fixture
def new(db, key_file, settings, tmp_path, monkeypatch):
    """An installation in which nothing is entered yet, on a machine that knows some things."""
    settings.STORE = tmp_path / "store"
    General.load()
    General.objects.update(language="en", time_zone="Europe/Zurich")
    monkeypatch.setattr(interfaces, "host_name", lambda: "pbx.example.org")
    monkeypatch.setattr(interfaces, "offered_addresses", lambda: ["192.0.2.7"])
    monkeypatch.setattr(machine_ntp, "configured_servers", lambda: ["ntp.example.org"])


def sent(client, url, **changes):
    """What a browser sends that shows the page, with what was typed over it."""
    page = client.get(url).content.decode().split("<main", 1)[1]
    values = dict(re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', page))
    values |= {
        name: value.strip() for name, value in re.findall(r'(?s)<textarea name="([^"]+)"[^>]*>(.*?)</textarea>', page)
    }
    values |= dict.fromkeys(re.findall(r'<input type="checkbox" name="([^"]+)"[^>]*checked', page), "on")
    values |= dict(re.findall(r'(?s)<select name="([^"]+)".*?<option value="([^"]*)" selected', page))
    return client.post(url, {**values, **changes})


def test_it_goes_on_at_the_first_step_that_is_left(new, administrator_client):
    assert administrator_client.get(START)["Location"] == NAMES

    General.objects.update(fqdn="pbx.example.org")
    assert administrator_client.get(START)["Location"] == CLOCK

    General.objects.update(ntp_enabled=True, ntp_servers=["192.0.2.1"])
    assert administrator_client.get(START)["Location"] == GENERATION


def test_what_the_machine_knows_is_filled_in_and_saved_only_when_it_is_sent(new, administrator_client, text):
    page = administrator_client.get(NAMES)
    assert "First start, step 2 of 4: Names and addresses" in text(page)
    assert 'value="pbx.example.org"' in page.content.decode()
    assert General.load().fqdn == ""

    assert sent(administrator_client, NAMES)["Location"] == CLOCK
    row = General.load()
    assert (row.fqdn, row.ip_addresses, row.time_zone) == ("pbx.example.org", ["192.0.2.7"], "Europe/Zurich")


def test_names_that_telephones_may_refuse_are_asked_about_once(new, settings, administrator_client, text):
    settings.TERMINALS = "tests.support.telephones.DoubtedTelephones"

    asked = sent(administrator_client, NAMES, fqdn="pbx.example.net")
    assert "Snom (2): They want an address." in text(asked)
    assert 'value="pbx.example.net"' in asked.content.decode()
    assert General.load().fqdn == ""

    assert sent(administrator_client, NAMES, fqdn="pbx.example.net", names_in_doubt="true")["Location"] == CLOCK
    assert General.load().fqdn == "pbx.example.net"


def test_the_clock_has_the_machines_zone_and_servers(new, ntp, administrator_client, monkeypatch):
    monkeypatch.setattr(machine_ntp, "configured_servers", lambda: [ntp.server])
    page = administrator_client.get(CLOCK).content.decode()
    assert 'value="Europe/Zurich"' in page
    assert ntp.server in page

    assert sent(administrator_client, CLOCK)["Location"] == GENERATION
    assert (General.load().ntp_enabled, General.load().ntp_servers) == (True, [ntp.server])


def test_the_name_of_a_machine_that_is_no_full_one_is_not_offered(new, administrator_client, monkeypatch):
    monkeypatch.setattr(interfaces, "host_name", lambda: "debian")

    assert "debian" not in administrator_client.get(NAMES).content.decode()


def test_what_is_entered_already_is_not_filled_in_over(new, administrator_client):
    General.objects.update(fqdn="other.example.org", ip_addresses=["192.0.2.99"])
    page = administrator_client.get(NAMES).content.decode()

    assert "other.example.org" in page
    assert 'value="pbx.example.org"' not in page


def test_each_step_can_be_left_and_leads_back(new, administrator_client):
    page = administrator_client.get(CLOCK).content.decode()

    assert f'href="{NAMES}"' in page
    assert f'href="{GENERATION}"' in page


def test_bad_input_stays_with_its_sentence(new, administrator_client, text):
    answer = sent(administrator_client, NAMES, fqdn="not a name", ip_addresses="192.0.2.300")

    assert 'value="not a name"' in answer.content.decode()
    assert "Please correct:" in text(answer)
    assert General.load().version == 0


def test_somebody_else_is_not_overwritten(new, administrator_client, text):
    General.objects.update(version=3)
    answer = sent(administrator_client, NAMES, version="2")

    assert "Somebody else has changed these settings" in text(answer)
    assert General.load().fqdn == ""


def test_it_ends_with_the_first_generation_on_the_overview(new, administrator_client, text):
    General.objects.update(fqdn="pbx.example.org")
    assert "step 4 of 4: First generation" in text(administrator_client.get(GENERATION))

    answer = sent(administrator_client, GENERATION, confirm_clock="on", reason="first")

    assert answer["Location"] == "/"
    assert Generation.objects.count() == 1
    assert administrator_client.get(GENERATION)["Location"] == "/"


def test_where_nothing_is_left_it_never_comes_back(world, administrator_client):
    assert administrator_client.get(START)["Location"] == "/"


@pytest.mark.parametrize("url", [START, NAMES, CLOCK, GENERATION])
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_it_is_for_administrators(new, request, role, url):
    assert request.getfixturevalue(f"{role}_client").get(url).status_code == 403


def test_the_first_page_leads_to_what_is_left(new, administrator_client, operator_client, viewer_client, text):
    page = administrator_client.get("/")
    assert "First start, step 2 of 4: Names and addresses" in text(page)
    assert f'href="{reverse("first_start")}"' in page.content.decode()

    assert f'href="{reverse("first_start")}"' not in operator_client.get("/").content.decode()
    assert "First start" not in text(viewer_client.get("/"))
