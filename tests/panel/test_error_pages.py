import logging

import pytest
from django.test import Client

from pbxcerts.system.log_lines import REQUEST
from pbxcerts.system.models import General


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
