import json
import logging
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from pbxcerts.demo import stage
from pbxcerts.demo.stage import Stage
from pbxcerts.panel import error_pages
from pbxcerts.system.log_lines import REQUEST
from pbxcerts.system.models import General, Session


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL, "django")


def test_a_host_that_is_not_ours_gets_a_page_that_names_the_variable(client):
    # No fixture gives the database: this page must not need one.
    response = client.get("/", headers={"Host": "evil.example", "Accept-Language": "en"})
    html = response.content.decode()
    assert response.status_code == 400
    assert "PBXCERTS_HOSTS" in html
    assert "evil.example" in html
    assert "Content-Security-Policy" in response.headers


def test_a_host_cannot_write_into_the_page(client):
    response = client.get("/", headers={"Host": "<script>alert(1)</script>"})
    assert response.status_code == 400
    assert b"<script>alert" not in response.content


def test_the_page_for_an_unknown_host_follows_the_browser_because_nothing_was_read_yet(client):
    html = {
        language: client.get("/", headers={"Host": "x.example", "Accept-Language": language}).content.decode()
        for language in ("de", "en")
    }
    assert '<html lang="de">' in html["de"]
    assert '<html lang="en">' in html["en"]


def test_an_unknown_address_is_404_in_the_language_of_the_installation(viewer_client):
    General.load()
    General.objects.update(language="en")
    response = viewer_client.get("/no-such-page/")
    assert response.status_code == 404
    assert "There is no page under this address." in response.content.decode()


def test_a_form_that_is_not_from_this_session_is_refused_with_a_page_that_helps(administrator):
    client = Client(enforce_csrf_checks=True)
    client.cookies["django_language"] = "en"
    response = client.post("/login/", {"username": "anna", "password": "x"})
    assert response.status_code == 403
    assert "Nothing has been changed" in response.content.decode()
    assert "PBXCERTS_CSRF_TRUSTED_ORIGINS" in response.content.decode()


def test_a_mistake_of_ours_is_500_without_details(viewer_client, monkeypatch):
    # There is no page that fails by itself.
    monkeypatch.setattr("pbxcerts.system.views.events.PER_PAGE", "no number")
    viewer_client.raise_request_exception = False
    response = viewer_client.get("/system/events/")
    assert response.status_code == 500
    assert b"Traceback" not in response.content
    assert b"<h1" in response.content


@pytest.mark.parametrize(("language", "words"), [("de", "unter dieser Anfrage"), ("en", "under this request")])
def test_a_mistake_of_ours_names_the_request_that_the_log_knows(viewer_client, monkeypatch, language, words):
    monkeypatch.setattr("pbxcerts.system.views.events.PER_PAGE", "no number")
    viewer_client.raise_request_exception = False
    viewer_client.cookies["django_language"] = language
    token = REQUEST.set("a1b2c3d4e5f60718")
    try:
        html = viewer_client.get("/system/events/").content.decode()
    finally:
        REQUEST.reset(token)

    assert words in html
    assert "<code>a1b2c3d4e5f60718</code>" in html
    assert "<code>" not in viewer_client.get("/system/events/").content.decode(), "it is named where it is known"


TREE = 'aria-label="Navigation"'
LOCKED = OperationalError("database is locked")


def fail(monkeypatch, error):
    """Nothing can be read any more, from the language on."""

    def load():
        raise error

    monkeypatch.setattr(General, "load", load)


@pytest.fixture
def quiet_client(administrator_client):
    administrator_client.raise_request_exception = False
    administrator_client.cookies["django_language"] = "en"
    return administrator_client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("get", "/no-such-page/", 404), ("get", "/account/end-session/", 405), ("get", "/system/users/", 403)],
)
def test_what_goes_wrong_for_who_is_logged_in_stands_in_the_frame(viewer_client, method, path, status):
    answer = getattr(viewer_client, method)(path)

    assert answer.status_code == status
    assert TREE in answer.content.decode()
    assert answer.content.decode().count("<h1") == 1


def test_a_stranger_sees_no_frame(db, client):
    assert TREE not in client.get("/no-such-page/").content.decode()


def test_too_many_fields_are_400_in_the_frame_with_what_to_do(administrator_client, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    administrator_client.cookies["django_language"] = "en"
    answer = administrator_client.post(reverse("system:general"), {f"field{number}": "x" for number in range(9)})

    assert answer.status_code == 400
    assert TREE in answer.content.decode()
    assert "Nothing was carried out." in answer.content.decode()


def test_a_session_that_is_ended_while_a_page_is_made_is_no_mystery(viewer_client, monkeypatch):
    """Django finds the row gone when it writes down that the session was used."""
    viewer_client.cookies["django_language"] = "en"
    monkeypatch.setattr("pbxcerts.panel.own_account.own_sessions.of", lambda *_: Session.objects.all().delete() and [])
    monkeypatch.setattr("pbxcerts.system.users.sessions.WRITTEN_EVERY", -timedelta(days=1))
    answer = viewer_client.get(reverse("account"))

    assert answer.status_code == 400
    assert "Your session was ended while this page was made" in answer.content.decode()


def test_a_mistake_of_ours_stands_in_a_frame_without_state(quiet_client, monkeypatch):
    monkeypatch.setattr("pbxcerts.system.views.events.PER_PAGE", "no number")
    answer = quiet_client.get("/system/events/")
    html = answer.content.decode()

    assert answer.status_code == 500
    assert TREE in html
    assert "=ge" in html
    assert 'class="states"' not in html


def test_what_was_typed_when_a_mistake_of_ours_came_in_between_is_not_lost(quiet_client, monkeypatch):
    def fails(*_arguments, **_options):
        raise ValueError

    monkeypatch.setattr("pbxcerts.panel.saving.save_general", fails)
    values = {"version": "0", "time_zone": "Europe/Zurich", "language": "en", "logout_after_minutes": "480"}
    values |= {"ntp_enabled": "off", "on_this_machine": "off", "redirect_to_https": "off", "backup_enabled": "off"}
    values |= {"backup_days": "1", "backup_time": "03:30", "backup_keep": "9"}
    html = quiet_client.post(reverse("system:general"), values).content.decode()

    assert "What you typed is not lost." in html
    assert f'action="{reverse("system:general")}"' in html


@pytest.mark.parametrize("language", ["de", "en"])
def test_while_the_database_is_locked_a_page_says_so_and_comes_back_by_itself(quiet_client, monkeypatch, language):
    quiet_client.cookies["django_language"] = language
    fail(monkeypatch, LOCKED)
    answer = quiet_client.get("/system/events/")
    html = answer.content.decode()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert f'<html lang="{language}">' in html
    assert TREE in html
    assert "js/recover.js" in html
    assert "PBXCERTS" not in html
    monkeypatch.undo()
    assert quiet_client.get("/system/events/").status_code == 200


def test_an_order_that_met_a_locked_database_is_not_repeated_by_itself(quiet_client, monkeypatch):
    fail(monkeypatch, LOCKED)
    html = quiet_client.post("/account/", {"language": "de", "theme": ""}).content.decode()

    assert "js/recover.js" not in html
    assert "What you typed is not lost." in html


def test_the_page_of_an_error_asks_the_database_for_nothing(quiet_client, monkeypatch, django_assert_num_queries):
    fail(monkeypatch, LOCKED)
    with django_assert_num_queries(0):
        assert quiet_client.get("/system/events/").status_code == 503


def test_where_even_the_frame_is_broken_the_sentences_are_left(quiet_client, monkeypatch):
    monkeypatch.setattr("pbxcerts.system.views.events.PER_PAGE", "no number")
    monkeypatch.setattr(error_pages, "hidden_from", None)
    answer = quiet_client.get("/system/events/")

    assert answer.status_code == 500
    assert "An error occurred on the server" in answer.content.decode()
    assert TREE not in answer.content.decode()


def test_a_demonstration_says_on_these_pages_too_that_it_is_one(quiet_client, monkeypatch, settings, tmp_path):
    monkeypatch.setattr(stage, "_held", [])
    made = Stage.made_in(tmp_path)
    for guard in stage._held:
        guard.close()
    settings.DEMO = tmp_path
    fail(monkeypatch, LOCKED)
    html = quiet_client.get("/system/events/").content.decode()

    assert "Demonstration: nothing here is real." in html
    assert made.password not in html
    assert json.loads((tmp_path / "stage.json").read_text())["password"] == made.password
