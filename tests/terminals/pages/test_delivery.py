"""The settings of the delivery: all of them, each refused where it stands, and never over what somebody else saved."""

import pytest
from django.http import QueryDict

from terminals import credentials
from terminals.forms.delivery import DeliveryForm
from terminals.models import DeliverySettings

PAGE = "/terminals/delivery/"


def form(**values):
    return {
        "version": 0,
        "proxy_host": "",
        "proxy_port": 5061,
        "proxy_transport": "tls",
        "sip_domain": "",
        "account_user": "",
        "account_password": "",
        "window_hours": 4,
        "waves": "on",
        "at_once": 20,
        "second_wave_percent": 5,
        "third_wave_percent": 25,
        "stop_percent": 5,
        "stop_among_first": 2,
        **values,
    }


def stored():
    return DeliverySettings.objects.get()


def test_every_setting_of_the_row_stands_on_the_page_with_an_explanation(world):
    shown = set(DeliveryForm.base_fields)

    assert {field.name for field in DeliverySettings._meta.fields} - {"singleton"} == shown
    assert all(field.help_text for name, field in DeliveryForm.base_fields.items() if name != "version")


def test_what_is_applied_is_stored(world, administrator_client, text):
    sent = form(
        proxy_host="PBX.example.com",
        proxy_port="5060",
        proxy_transport="udp",
        sip_domain="2001:DB8::1",
        window_hours="12",
        at_once="500",
        second_wave_percent="10",
        third_wave_percent="90",
        stop_percent="0",
        stop_among_first="1",
    )
    del sent["waves"]

    assert "The settings have been applied." in text(administrator_client.post(PAGE, sent, follow=True))

    row = stored()
    assert (row.proxy_host, row.proxy_port, row.proxy_transport) == ("pbx.example.com", 5060, "udp")
    assert row.sip_domain == "2001:db8::1"
    assert (row.window_hours, row.waves, row.at_once) == (12, False, 500)
    assert (row.second_wave_percent, row.third_wave_percent) == (10, 90)
    assert (row.stop_percent, row.stop_among_first, row.version) == (0, 1, 1)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("window_hours", "0", "Enter a whole number of hours from 1 to 12."),
        ("window_hours", "13", "Enter a whole number of hours from 1 to 12."),
        ("window_hours", "", "Enter a whole number of hours from 1 to 12."),
        ("at_once", "0", "Enter a whole number from 1 to 500."),
        ("at_once", "501", "Enter a whole number from 1 to 500."),
        ("at_once", "many", "Enter a whole number from 1 to 500."),
        ("second_wave_percent", "0", "Enter a whole number from 1 to 100."),
        ("third_wave_percent", "101", "Enter a whole number from 1 to 100."),
        ("third_wave_percent", "96", "The second and the third wave together can't be more than 100 %."),
        ("stop_percent", "-1", "Enter a whole number from 0 to 100."),
        ("stop_among_first", "0", "Enter a whole number from 1 to 100."),
        ("proxy_port", "65536", "Enter a port from 1 to 65535."),
        ("proxy_host", "pbx_1.example.com", "contains an underscore"),
        ("proxy_host", "224.0.0.1", "is a multicast address"),
        ("sip_domain", "a b", "contains a space"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_stays_there(world, administrator_client, name, value, sentence):
    response = administrator_client.post(PAGE, form(**{name: value}))

    refused = response.context["form"]
    assert list(refused.errors) == [name]
    assert sentence in " ".join(refused.errors[name])
    assert refused[name].value() == value
    assert not DeliverySettings.objects.filter(version__gt=0).exists()


def test_the_password_is_kept_encrypted_and_never_shown(world, administrator_client):
    administrator_client.post(PAGE, form(account_user="pbxcerts", account_password=" s3cret of the pbx "))

    assert b"s3cret" not in bytes(stored().account_password)
    assert credentials.unseal(stored().account_password) == " s3cret of the pbx "
    content = administrator_client.get(PAGE).content.decode()
    assert "s3cret" not in content
    assert 'placeholder="stored"' in content


def test_a_refused_form_does_not_send_the_password_back(world, administrator_client):
    response = administrator_client.post(PAGE, form(account_user="a", account_password="s3cret", at_once=0))

    assert "s3cret" not in response.content.decode()


def test_an_empty_password_leaves_the_stored_one(world, administrator_client):
    administrator_client.post(PAGE, form(account_user="pbxcerts", account_password="s3cret"))
    administrator_client.post(PAGE, form(version=1, account_user="pbxcerts", at_once=30))

    assert stored().at_once == 30
    assert credentials.unseal(stored().account_password) == "s3cret"


def test_without_an_account_the_password_is_forgotten(world, administrator_client):
    administrator_client.post(PAGE, form(account_user="pbxcerts", account_password="s3cret"))
    administrator_client.post(PAGE, form(version=1))

    assert stored().account_password is None


def test_a_password_needs_an_account(world, administrator_client):
    response = administrator_client.post(PAGE, form(account_password="s3cret"))

    assert list(response.context["form"].errors) == ["account_user"]


def test_a_key_list_that_is_lost_is_said_at_the_password(world, administrator_client, settings):
    settings.KEY_FILE.unlink()

    response = administrator_client.post(PAGE, form(account_user="a", account_password="s3cret"))

    assert list(response.context["form"].errors) == ["account_password"]
    assert stored().account_password is None


def test_two_administrators_at_once_are_told(world, administrator_client, text):
    administrator_client.post(PAGE, form(at_once=50, proxy_transport="udp"))

    response = administrator_client.post(PAGE, form(at_once=10))
    page = text(response)
    assert "Somebody else has changed these settings while you were editing them." in page
    assert "Stored now: 50" in page
    assert "Stored now: UDP" in page
    assert stored().at_once == 50
    assert response.context["form"]["at_once"].value() == "10"

    again = QueryDict(mutable=True)
    again.update({name: response.context["form"][name].value() or "" for name in form()})
    administrator_client.post(PAGE, again)
    assert (stored().at_once, stored().proxy_transport) == (10, "tls")


def test_the_same_form_twice_does_no_harm(world, administrator_client, text):
    administrator_client.post(PAGE, form(at_once=50))

    assert "Nothing has changed." in text(administrator_client.post(PAGE, form(at_once=50), follow=True))
    assert stored().version == 1


@pytest.mark.parametrize("persona", ["viewer", "operator"])
def test_only_administrators_change_them(world, request, text, persona):
    client = request.getfixturevalue(f"{persona}_client")

    page = client.get(PAGE)
    assert "Only administrators can change these settings." in text(page)
    assert all(field.field.disabled for field in page.context["form"])
    assert client.post(PAGE, form(at_once=50)).status_code == 403
    assert stored().at_once == 20
