"""The settings of the delivery: all of them, each refused where it stands, and never over what somebody else saved."""

import html

import pytest
from django.http import QueryDict

from pbxcerts.system import sealing
from terminals.forms.delivery import DeliveryForm
from terminals.models import DeliverySettings, Terminal

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


def test_what_is_wrong_is_said_at_its_field_and_stays_there(world, administrator_client, subtests):
    for name, value, sentence in [
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
    ]:
        with subtests.test(name=name, value=value, sentence=sentence):
            response = administrator_client.post(PAGE, form(**{name: value}))

            refused = response.context["form"]
            assert list(refused.errors) == [name]
            assert sentence in " ".join(refused.errors[name])
            assert refused[name].value() == value
            assert not DeliverySettings.objects.filter(version__gt=0).exists()


def test_the_password_is_kept_encrypted_and_never_shown(world, administrator_client):
    administrator_client.post(PAGE, form(account_user="pbxcerts", account_password=" s3cret of the pbx "))

    assert b"s3cret" not in bytes(stored().account_password)
    assert sealing.unseal(stored().account_password) == b" s3cret of the pbx "
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
    assert sealing.unseal(stored().account_password) == b"s3cret"


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


# -- networks of the telephones ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", []),
        ("192.0.2.0/24", ["192.0.2.0/24"]),
        (" 192.0.2.0/24 ,2001:DB8:0:1::/64\n198.51.100.7", ["192.0.2.0/24", "2001:db8:0:1::/64", "198.51.100.7/32"]),
        ("192.0.2.0/255.255.255.0", ["192.0.2.0/24"]),
        ("10.0.0.0/8\nfd00:1::/32", ["10.0.0.0/8", "fd00:1::/32"]),
    ],
)
def test_networks_are_kept_in_their_shortest_spelling(world, administrator_client, typed, kept):
    administrator_client.post(PAGE, form(telephone_networks=typed))
    assert stored().telephone_networks == kept
    assert "\n".join(kept) in administrator_client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("192.0.2.5/24", "“192.0.2.5/24” is an address within a network: write 192.0.2.0/24."),
        ("2001:db8::1/64", "write 2001:db8::/64."),
        ("office", "“office” is no network"),
        ("192.0.2.0/33", "is no network"),
        ("::ffff:192.0.2.0/120", "is no network"),
        ("0.0.0.0/0", "“0.0.0.0/0” is too wide"),
        ("::/0", "“::/0” is too wide"),
        ("fc00::/7", "is too wide"),
        ("224.0.1.0/24", "is for multicast"),
        ("192.0.2.0/24, 192.0.2.0/24", "stands here twice"),
        ("\n".join(f"10.0.{n}.0/24" for n in range(65)), "At most 64 entries."),
    ],
)
def test_what_is_no_network_of_telephones_is_refused_with_its_reason(world, administrator_client, text, typed, said):
    answer = administrator_client.post(PAGE, form(telephone_networks=typed, window_hours="7"))
    assert said in html.unescape(text(answer))
    assert typed.splitlines()[0] in html.unescape(answer.content.decode())
    assert stored().telephone_networks == []


def test_an_operator_names_no_network(world, operator_client):
    assert operator_client.post(PAGE, form(telephone_networks="192.0.2.0/24")).status_code == 403


# -- passwords that go ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"account_user": "another"},
        {"proxy_host": "192.0.2.66"},
        {"proxy_port": 5080},
        {"proxy_transport": "udp"},
        {"sip_domain": "elsewhere.example"},
    ],
)
def test_the_password_of_the_account_goes_where_its_answer_would_go_elsewhere(
    world, administrator_client, text, changed
):
    before = {"account_user": "pbxcerts", "proxy_host": "pbx.example.com", "sip_domain": "example.com"}
    administrator_client.post(PAGE, form(**before, account_password="s3cret"))
    sent = form(version=1) | before | changed

    told = administrator_client.post(PAGE, sent)

    assert "So applying deletes it." in text(told)
    assert sealing.unseal(stored().account_password) == b"s3cret"
    administrator_client.post(PAGE, sent | {"password_goes": told.context["form"]["password_goes"].value()})
    assert (stored().version, stored().account_password) == (2, None)


def test_a_domain_that_is_written_out_is_no_other_one(world, administrator_client):
    administrator_client.post(PAGE, form(account_user="pbxcerts", account_password="s3cret"))
    administrator_client.post(PAGE, form(version=1, account_user="pbxcerts", sip_domain=world.situation.general.fqdn))

    assert (stored().version, sealing.unseal(stored().account_password)) == (2, b"s3cret")


def test_a_password_that_is_typed_anew_goes_nowhere(world, administrator_client):
    administrator_client.post(PAGE, form(account_user="pbxcerts", account_password="s3cret"))
    administrator_client.post(PAGE, form(version=1, account_user="another", account_password="n3w"))

    assert sealing.unseal(stored().account_password) == b"n3w"


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"sip_domain": "elsewhere.example"}, {"102", "103"}),
        ({"proxy_host": "192.0.2.66", "proxy_transport": "udp", "sip_domain": "pbx.example.com"}, {"103"}),
        ({"proxy_host": "other.example.com", "sip_domain": "pbx.example.com"}, {"101", "102", "103"}),
        ({"window_hours": 5}, {"101", "102", "103"}),
    ],
    ids=["another realm", "a server that proves nothing", "a server that proves itself", "none of it"],
)
def test_so_do_those_of_the_terminals(fleet, administrator_client, text, changed, kept):
    kind = fleet.type("A Snom", "sip_standard")
    kind.way = "server"
    kind.save()
    for number, values in (
        ("101", {}),
        ("102", {"sip_realm": "phones"}),
        ("103", {"sip_realm": "phones", "way": "direct"}),
    ):
        Terminal.objects.create(number=number, type=kind, sip_password=sealing.seal(b"secret"), **values)

    told = administrator_client.post(PAGE, form(**changed))
    lost = 3 - len(kept)
    assert (
        (f"Applying deletes the stored SIP password{'s' if lost > 1 else ''} of {lost}" in text(told))
        if lost
        else (told.status_code == 302)
    )
    administrator_client.post(PAGE, form(**changed, password_goes="true"))

    assert set(Terminal.objects.filter(sip_password__isnull=False).values_list("number", flat=True)) == kept
