"""A list in which nothing is says what to do next, and leads there whoever may do it."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from pbxcerts.system.models import EventMessage, Heartbeat
from pbxcerts.system.notifications.models import Destination
from terminals.models import TerminalType
from tests.terminals.pages.conftest import english, fleet, text, world, yealink

__all__ = ["english", "fleet", "text", "world", "yealink"]

pytestmark = pytest.mark.django_db
ADD, IMPORT, GENERATE = "/terminals/add/", "/terminals/import/", "/certificates/generate/"


@pytest.fixture
def part(viewer_client, operator_client, administrator_client):
    """What the content of a page shows to one with this role, without frame."""
    clients = {"view": viewer_client, "operate": operator_client, "administer": administrator_client}

    def read(path, role):
        clients[role].cookies["django_language"] = "en"
        answer = clients[role].get(path)
        assert answer.status_code == 200, path
        return answer.content.decode().partition("</h1>")[2]

    return read


def leads_to(page, href):
    return f'href="{href}"' in page


EMPTY = [
    ("/terminals/", "No terminals are known yet", ADD),
    ("/terminals/", "No terminals are known yet", IMPORT),
    ("/terminals/discovered/", "its configuration server is pbxcerts", ADD),
    ("/certificates/history/", "No certificates have been generated yet", GENERATE),
    ("/terminals/rollout/", "No certificates have been generated yet", GENERATE),
    ("/terminals/work-list/", "No certificates have been generated yet", GENERATE),
]


@pytest.mark.parametrize(("path", "sentence", "href"), EMPTY)
def test_an_empty_list_leads_on_whoever_operates_and_nobody_else(part, path, sentence, href):
    listed = part(path, "operate").partition(sentence)[2]
    shown = part(path, "view")

    assert leads_to(listed, href)
    assert sentence in shown
    assert not leads_to(shown, href)


@pytest.mark.parametrize(
    ("path", "sentence", "href", "instead"),
    [
        (
            "/system/events/destinations/",
            "Nobody is told",
            "/system/events/destinations/add/email/",
            "An administrator can add a destination.",
        ),
        ("/system/events/destinations/", "None is set", "/system/events/watchdog/", "An administrator can set one."),
        (
            "/terminals/types/",
            "There are no terminal types.",
            "/terminals/types/add/",
            "An administrator can add one.",
        ),
    ],
)
def test_an_empty_list_leads_on_who_administers_and_names_him_to_others(part, path, sentence, href, instead):
    TerminalType.objects.all().delete()
    listed = part(path, "administer").partition(sentence)[2]

    assert leads_to(listed, href)
    assert instead not in listed
    for role in ("view", "operate"):
        assert instead in part(path, role).partition(sentence)[2]
        assert not leads_to(part(path, role), href)


@pytest.mark.parametrize(
    "path", ["/terminals/?text=zzz", "/certificates/history/?text=zzz", "/system/events/?severity=critical"]
)
def test_a_filter_that_nothing_matches_leads_back_to_the_whole_list(world, part, path):
    EventMessage.objects.create(kind="a", severity="normal", raised_at=timezone.now())
    page = part(path, "view")

    assert leads_to(page.partition("matches this filter")[2], path.partition("?")[0])
    assert "matches this filter" not in part(path.partition("?")[0], "view")


def test_no_event_messages_lead_to_who_would_be_told(part):
    page = part("/system/events/", "view").partition("No event messages.")[2]

    assert "set up a destination" in page
    assert leads_to(page, "/system/events/destinations/")


def test_a_destination_to_which_nothing_went_is_to_be_tested(part):
    place = Destination.objects.create(
        name="mail", kind="webhook", options={"shown": "https://example.org/…"}, url="https://example.org/"
    )

    assert "A test shows whether one would arrive" in part(f"/system/events/destinations/{place.pk}/", "view")


def test_no_machine_says_what_is_to_be_started(part, monkeypatch):
    monkeypatch.setattr("pbxcerts.system.views.machines.states", lambda found: [])
    Heartbeat.objects.all().delete()

    assert "Start “pbxcerts up”" in part("/system/machines/", "view")


def test_without_a_window_there_is_a_way_to_the_form_that_opens_one(part):
    page = part("/terminals/bootstrap/", "operate")

    assert leads_to(page, "#open-heading")
    assert 'id="open-heading"' in page
    assert "Whoever operates can open one." in part("/terminals/bootstrap/", "view")
    assert "look at its configuration server" in page


def test_without_a_listener_over_http_nobody_is_led_to_a_form_that_is_not_there(part, settings):
    settings.TERMINALS_HTTP = None

    assert not leads_to(part("/terminals/bootstrap/", "operate"), "#open-heading")


def test_a_type_without_a_guide_leads_who_administers_to_its_field(fleet, part):
    bare = fleet.type("Bare", "sip_standard", guide_de="", guide_en="")
    path = reverse("terminals:types:type", args=(bare.pk,))
    href = f"/terminals/types/{bare.pk}/edit/#div_id_guide_de"

    assert leads_to(part(path, "administer"), href)
    assert not leads_to(part(path, "operate"), href)
    assert 'id="div_id_guide_de"' in part(href.partition("#")[0], "administer")


def test_a_terminal_that_got_nothing_leads_to_the_rollout(fleet, part):
    phone = fleet.add(1)[0].terminal

    assert leads_to(part(f"/terminals/{phone.pk}/", "view"), "/terminals/rollout/")


def test_nothing_to_be_done_by_hand_leads_to_the_rollout(fleet, part):
    fleet.add(2)
    fleet.beat()
    page = part("/terminals/work-list/", "view").partition("Nothing to be done by hand")[2]

    assert leads_to(page, "/terminals/rollout/")


def test_a_terminal_without_a_link_says_when_to_make_one(fleet, yealink, part):
    phone = fleet.add(1, yealink)[0].terminal
    fleet.beat()

    assert "Make one when somebody is at the desk" in part(f"/terminals/work-list/{phone.pk}/link/", "operate")


def test_no_token_to_be_made_says_where_a_lost_one_is_replaced(part):
    assert "replaced on the page of its terminal" in part("/terminals/tokens/", "operate")


def test_a_file_that_changes_nothing_says_so(fleet, operator_client, part):
    fleet.add(1)
    exported = operator_client.get("/terminals/export/").content
    operator_client.post(IMPORT, {"file": SimpleUploadedFile("a.csv", exported)})

    assert "There is nothing to import" in part("/terminals/import/preview/", "operate")


def test_a_search_that_finds_nothing_leads_to_the_help(part):
    assert leads_to(part("/search/?q=zzzz", "view").partition("Nothing is called")[2], "/help/")
