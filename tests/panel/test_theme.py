"""Light or dark, as a person chose in this browser."""

import pytest
from django.conf import settings
from django.urls import reverse


def choose(client, theme, back="/system/events/"):
    return client.post(reverse("theme"), {"theme": theme, "next": back})


def test_until_somebody_chooses_it_is_as_the_system_has_it(viewer_client):
    assert "data-theme" not in viewer_client.get("/system/events/").content.decode()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_choice_holds_on_every_page_also_before_the_login(viewer_client, theme):
    answer = choose(viewer_client, theme)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/system/events/")

    assert f'data-theme="{theme}"' in viewer_client.get("/system/events/").content.decode()
    viewer_client.logout()
    viewer_client.cookies[settings.THEME_COOKIE_NAME] = theme
    assert f'data-theme="{theme}"' in viewer_client.get(reverse("login")).content.decode()


def test_it_can_be_as_the_system_again(viewer_client):
    choose(viewer_client, "dark")
    choose(viewer_client, "")

    assert "data-theme" not in viewer_client.get("/system/events/").content.decode()


@pytest.mark.parametrize("theme", ["pink", '"><script>'])
def test_what_is_no_theme_changes_nothing(viewer_client, theme):
    choose(viewer_client, theme)
    assert settings.THEME_COOKIE_NAME not in viewer_client.cookies
    viewer_client.cookies[settings.THEME_COOKIE_NAME] = theme

    assert "data-theme" not in viewer_client.get("/system/events/").content.decode()


def test_it_leads_to_no_other_site(viewer_client):
    assert choose(viewer_client, "dark", back="https://evil.example.org/").headers["Location"] == "/"
