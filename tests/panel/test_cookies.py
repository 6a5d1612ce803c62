"""The cookies of the panel: their names, and what plain HTTP never sees (rule cookies)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

ROOT = Path(__file__).resolve().parents[2]


def log_in(client, user, password, **how):
    answer = client.post(reverse("login"), {"username": user.username, "password": password}, **how)
    assert answer.status_code == 302
    return answer


def test_over_https_every_cookie_is_secure_whatever_the_setting_says(client, viewer, password, settings):
    assert settings.SECURE_COOKIES is False
    page = client.get(reverse("login"), secure=True)
    answer = log_in(client, viewer, password, secure=True)
    chosen = client.post(reverse("set_language"), {"language": "en"}, secure=True)
    cookies = {**page.cookies, **answer.cookies, **chosen.cookies}

    assert len(cookies) >= 3
    assert [name for name, cookie in cookies.items() if not cookie["secure"]] == []
    # RFC 6265bis section 4.1.3.1: a browser takes such a name over HTTPS alone, so plain HTTP cannot put one in its place.
    assert [name for name in cookies if not name.startswith("__Secure-")] == []


def test_over_plain_http_they_are_not_and_have_other_names(client, viewer, password):
    """A browser lets no plain response replace a cookie that is Secure: with one name nobody could log in there again."""
    answer = log_in(client, viewer, password)

    assert [name for name, cookie in answer.cookies.items() if cookie["secure"]] == []
    assert [name for name in answer.cookies if name.startswith("__Secure-")] == []


def test_a_log_in_over_https_is_none_over_plain_http_and_the_other_way_round(viewer, password):
    for first, second in [(True, False), (False, True)]:
        browser = Client()
        log_in(browser, viewer, password, secure=first)

        assert browser.get(reverse("system:events"), secure=first).status_code == 200
        assert browser.get(reverse("system:events"), secure=second).status_code == 302


def test_a_session_that_plain_http_puts_under_the_name_of_https_does_not_count(client, viewer, password, settings):
    answer = log_in(client, viewer, password)
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = answer.cookies[settings.SESSION_COOKIE_NAME].value

    assert stranger.get(reverse("system:events")).status_code == 200
    assert stranger.get(reverse("system:events"), secure=True).status_code == 302


def test_logging_out_over_https_removes_the_cookie_that_https_set(client, viewer, password, settings):
    log_in(client, viewer, password, secure=True)
    answer = client.post(reverse("logout"), secure=True)

    removed = answer.cookies[f"__Secure-{settings.SESSION_COOKIE_NAME}"]
    assert (removed.value, removed["max-age"], removed["secure"]) == ("", 0, True)


def test_behind_a_proxy_that_does_not_say_how_the_reader_came_the_setting_counts(client, viewer, password, settings):
    settings.SECURE_COOKIES = True
    answer = log_in(client, viewer, password)

    assert all(name.startswith("__Secure-") and cookie["secure"] for name, cookie in answer.cookies.items())
    assert client.get(reverse("system:events")).status_code == 200


NAMES = ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME", "THEME_COOKIE_NAME"]


def names_of_an_installation(**variables):
    told = "import json, sys; from pbxcerts import settings"
    told += "; print(json.dumps([getattr(settings, name) for name in sys.argv[1:]]))"
    own = {name: value for name, value in os.environ.items() if not name.startswith("PBXCERTS_")}
    command = [sys.executable, "-c", told, *NAMES]
    printed = subprocess.run(command, cwd=ROOT, env=own | variables, capture_output=True, text=True, check=True).stdout
    return json.loads(printed)


@pytest.mark.process
def test_two_installations_on_one_host_use_other_names(tmp_path):
    """A cookie knows no port (RFC 6265 section 8.5)."""
    one, again, other = (
        names_of_an_installation(PBXCERTS_DATA=str(tmp_path), PBXCERTS_SECRET_KEY=key * 50) for key in "aab"
    )

    assert one == again
    assert not set(one) & set(other)
    assert len({*one, *other}) == 8
    assert not {"sessionid", "csrftoken", "django_language"} & {*one, *other}


def test_what_the_last_action_has_to_say_makes_no_cookie(viewer_client, viewer, password):
    new = {"new_password1": "nine silver spoons", "new_password2": "nine silver spoons"}
    answer = viewer_client.post(reverse("password_change"), {"old_password": password, **new})

    assert answer.status_code == 302
    assert "messages" not in answer.cookies
