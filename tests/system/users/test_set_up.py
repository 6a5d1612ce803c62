import pytest
from django.urls import reverse

from pbxcerts.system.models import Role, User
from pbxcerts.system.users import accounts, setup_token

URL = "/setup/"
CHOICE = {"username": "anna", "password1": "seven copper kettles", "password2": "seven copper kettles"}


@pytest.fixture
def token(db, settings, tmp_path):
    settings.DATA = tmp_path
    return setup_token.issue()


def test_the_token_makes_the_first_administrator_who_is_logged_in_then(client, token):
    response = client.post(URL, {"token": token, **CHOICE})
    assert response.headers["Location"] == reverse("first_start")
    anna = User.objects.get()
    assert anna.role == Role.ADMINISTER
    assert anna.check_password(CHOICE["password1"])
    assert client.get(reverse("system:users")).status_code == 200


def test_it_is_gone_as_soon_as_there_is_an_administrator(client, token):
    client.post(URL, {"token": token, **CHOICE})
    assert client.get(URL).status_code == 404
    assert client.post(URL, {"token": token, **CHOICE, "username": "eve"}).status_code == 404
    assert User.objects.count() == 1


def test_password_managers_know_which_field_is_the_name(client, token):
    fields = {tag.split('name="')[1].split('"')[0]: tag for tag in client.get(URL).content.decode().split("<input")[1:]}
    assert 'autocomplete="username"' in fields["username"]
    assert 'autocomplete="off"' in fields["token"]


def test_it_opens_while_there_are_users_but_no_administrator(client, token, viewer):
    assert client.get(URL).status_code == 200


@pytest.mark.parametrize("wrong", ["", "guessed", "x" * 43])
def test_without_the_right_token_nothing_is_made_and_what_was_typed_is_kept(client, token, wrong):
    response = client.post(URL, {"token": wrong, **CHOICE})
    assert response.status_code == 200
    assert 'value="anna"' in response.content.decode()
    assert "id_token_error" in response.content.decode()
    assert not User.objects.exists()


def test_a_token_in_the_address_is_not_taken(client, token):
    html = client.get(f"{URL}?token={token}").content.decode()
    assert f'value="{token}"' not in html


@pytest.mark.parametrize("weak", ["short", "1234567890123", "password1234"[:8], "annaannaanna"])
def test_a_weak_password_is_refused(client, token, weak):
    response = client.post(URL, {"token": token, "username": "annaanna", "password1": weak, "password2": weak})
    assert response.status_code == 200
    assert not User.objects.exists()


def test_the_second_of_two_who_use_the_link_at_once_comes_too_late(token):
    accounts.create_first_administrator("anna", "seven copper kettles")
    with pytest.raises(accounts.AdministratorExists):
        accounts.create_first_administrator("eve", "seven copper kettles")
    assert User.objects.get().username == "anna"
