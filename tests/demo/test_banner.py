"""The banner of a demonstration, and its buttons; without the flag there is neither."""

import copy
import re
from datetime import timedelta

import pytest
from django.urls import include, path, reverse
from django.utils.html import escape

from certificates.models import Generation
from pbxcerts import urls
from pbxcerts.demo.banner import SHOWN
from pbxcerts.demo.communication_server import Conduct, conduct_of
from pbxcerts.demo.stage import Stage
from pbxcerts.demo.tour import Seen
from pbxcerts.system.models import General
from terminals.models import Rollout
from tests.terminals.pages.conftest import english, fleet, mixed, text, world, yealink

__all__ = ["english", "fleet", "mixed", "text", "world", "yealink"]

pytestmark = pytest.mark.simulation

handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [*urls.urlpatterns, path("demo/", include("pbxcerts.demo.urls"))]

MARK = "Demonstration: nothing here is real."


@pytest.fixture
def stage(settings, tmp_path):
    """The settings of a demonstration."""
    settings.DEMO = tmp_path / "demo"
    settings.DEMO.mkdir()
    settings.ROOT_URLCONF = __name__
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["OPTIONS"]["context_processors"].append("pbxcerts.demo.banner.of_every_page")
    settings.TEMPLATES = templates
    return Stage.made_in(settings.DEMO)


def test_an_installation_has_no_banner_and_none_of_its_addresses(world, administrator_client, client, text):
    for page in (text(administrator_client.get("/")), text(client.get("/login/"))):
        assert "emonstration" not in page
    assert administrator_client.post("/demo/night/").status_code == 404


def test_who_is_about_to_log_in_is_told_that_nothing_is_real_and_with_what(stage, world, client, text):
    page = text(client.get("/login/"))

    assert MARK in page
    assert f"Log in as “demo” with the password {stage.password}." in page
    assert "It is night" not in page


@pytest.mark.parametrize("address", ["/", "/certificates/", "/terminals/", "/system/events/", "/nowhere/"])
def test_every_page_is_marked_and_says_what_to_do(stage, world, administrator_client, address):
    page = administrator_client.get(address).content.decode()

    assert MARK in page
    assert "Step 1 of 6: Generate." in page
    assert "style=" not in page.partition('id="demonstration"')[2].partition("</section>")[0]


def test_it_speaks_german(stage, world, administrator_client):
    General.objects.update(language="de")

    page = administrator_client.get("/").content.decode()

    assert "Demonstration: Hier ist nichts echt." in page
    assert "Schritt 1 von 6: Generieren." in page


PARTS = ["home_state", "system:events_open", "certificates:status", "system:general_readings"]


def ask(client, part, shown):
    headers = {"HX-Request": "true", SHOWN: shown, "HX-Current-URL": "http://testserver/certificates/?a=b"}
    return client.get(reverse(part), headers=headers).content.decode()


@pytest.mark.parametrize("part", PARTS)
def test_it_comes_with_whatever_asks_unless_it_reads_as_before(stage, world, administrator_client, part):
    page = administrator_client.get("/").content.decode()
    (shown,) = re.findall(r'id="demonstration"[^>]*data-key="([^"]+)"', page, re.DOTALL)
    assert page.count('id="demonstration"') == 1

    assert 'id="demonstration"' not in ask(administrator_client, part, shown)
    world.generate()
    anew = ask(administrator_client, part, shown).partition('id="demonstration"')[2]
    assert 'hx-swap-oob="true"' in anew.partition(">")[0]
    assert "Step 1 of 6" not in anew


@pytest.mark.parametrize("address", ["/", "/certificates/", "/terminals/", "/terminals/rollout/", "/system/events/"])
def test_one_part_of_each_page_asks_every_two_seconds(stage, world, administrator_client, address):
    """The step of the tour is to change soon, and no page asks more often than any other."""
    page = administrator_client.get(address).content.decode()

    assert re.findall(r'hx-trigger="every (\w+)"', page) == ["2s"]


def test_its_buttons_lead_back_to_the_page_that_it_stands_on(stage, world, administrator_client):
    assert 'value="/certificates/?a=b"' in ask(administrator_client, "home_state", "another")

    back = administrator_client.post("/demo/server/", {"conduct": "works", "next": "/certificates/?a=b"})
    assert back.headers["Location"] == "/certificates/?a=b"
    away = administrator_client.post("/demo/server/", {"conduct": "works", "next": "https://elsewhere.example.org/"})
    assert away.headers["Location"] == "/"


def test_at_night_the_telephones_of_this_rollout_restart(stage, mixed, administrator_client, text):
    page = text(administrator_client.post("/demo/night/", {"next": "/"}, follow=True))

    assert "It is night: telephones restart now." in page
    assert Rollout.objects.get(generation=2).restart_now


def test_without_a_handover_nobody_waits_for_the_night_or_the_deadline(stage, world, administrator_client, text):
    assert "nobody waits for the night" in text(administrator_client.post("/demo/night/", follow=True))
    assert "No handover is under way." in text(administrator_client.post("/demo/deadline/", follow=True))


def test_the_deadline_comes_within_moments(stage, mixed, administrator_client):
    planned = Generation.objects.get(number=2).deadline

    administrator_client.post("/demo/deadline/")

    assert Generation.objects.get(number=2).deadline < planned - timedelta(days=1)


def test_the_communication_server_is_told_how_to_behave_and_the_banner_says_it(
    stage, world, administrator_client, text
):
    page = text(administrator_client.post("/demo/server/", {"conduct": "keeps"}, follow=True))

    assert conduct_of(stage) is Conduct.KEEPS
    assert "It keeps its old certificate at a reload." in page
    assert administrator_client.post("/demo/server/", {"conduct": "sulks"}).status_code == 400
    assert conduct_of(stage) is Conduct.KEEPS


@pytest.mark.parametrize("button", ["night", "deadline", "server"])
def test_a_button_is_for_who_may_operate_and_asks_to_be_pressed(
    stage, world, viewer_client, administrator_client, button
):
    assert viewer_client.post(f"/demo/{button}/", {"conduct": "keeps"}).status_code == 403
    assert administrator_client.get(f"/demo/{button}/").status_code == 405
    assert conduct_of(stage) is Conduct.WORKS


def test_the_last_step_leads_to_the_pair_before_and_names_the_password(stage, world, administrator_client, monkeypatch):
    world.generate()
    world.activate()
    seen = {"served_renewal": True, "came_back": True}
    monkeypatch.setattr("pbxcerts.demo.banner.Seen.now", lambda _stage: Seen(**seen))

    page = administrator_client.get("/").content.decode()

    assert 'href="/certificates/1/roll-back/"' in page
    assert escape(f"with the password {stage.password}.") in page
