import pytest
from django.urls import reverse

from pbxcerts.system.models import User


@pytest.fixture(autouse=True)
def _english(client):
    client.cookies["django_language"] = "en"


def log_in(client, name, password):
    return client.post(reverse("login"), {"username": name, "password": password})


def test_it_lets_a_user_in_and_goes_on_to_the_page_that_was_asked_for(client, administrator, password):
    wanted = reverse("system:users")
    response = client.get(wanted, follow=True)
    assert f'name="next" value="{wanted}"' in response.content.decode()
    response = client.post(reverse("login"), {"username": administrator.username, "password": password, "next": wanted})
    assert response.headers["Location"] == wanted


def test_it_never_leads_to_another_site(client, administrator, password):
    data = {"username": administrator.username, "password": password, "next": "https://elsewhere.example/"}
    assert client.post(reverse("login"), data).headers["Location"] == reverse("home")


def test_a_wrong_password_is_refused_with_a_sentence_and_keeps_the_name(client, administrator):
    response = log_in(client, administrator.username, "wrong")
    assert response.status_code == 200
    assert f'value="{administrator.username}"' in response.content.decode()
    assert 'role="alert"' in response.content.decode()
    assert "The user name or the password is wrong." in response.content.decode()
    assert "Please enter" not in response.content.decode()


def test_a_disabled_user_stays_out(client, administrator, viewer, password):
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert log_in(client, viewer.username, password).status_code == 200


def test_what_one_name_is_slowed_for_leaves_the_others_alone(client, administrator, viewer, password):
    for count in range(10):
        log_in(client, administrator.username, f"wrong {count}")
    assert log_in(client, administrator.username, password).status_code == 429
    assert log_in(client, viewer.username, password).status_code == 302


def test_logging_out_is_a_post_and_ends_the_session(viewer_client):
    assert viewer_client.post(reverse("logout")).headers["Location"] == reverse("login")
    assert viewer_client.get(reverse("system:events")).status_code == 302


def test_before_the_first_administrator_it_points_to_the_set_up_link(client, viewer):
    html = client.get(reverse("login")).content.decode()
    assert "set-up link" in html
    assert 'name="password"' not in html


def test_the_own_password_is_changed_after_the_old_one(administrator_client, administrator, password):
    url = reverse("password_change")
    new = {"new_password1": "nine silver spoons", "new_password2": "nine silver spoons"}
    administrator_client.cookies["django_language"] = "en"
    refused = administrator_client.post(url, {"old_password": "wrong", **new})
    assert refused.status_code == 200
    assert "This is not your password." in refused.content.decode()
    administrator.refresh_from_db()
    assert administrator.check_password(password)
    assert administrator_client.post(url, {"old_password": password, **new}).status_code == 302
    administrator.refresh_from_db()
    assert administrator.check_password("nine silver spoons")
    assert administrator_client.get(reverse("system:events")).status_code == 200
