"""A realm that asked a terminal's notification for user and password, and taking it over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pbxcerts.system import sealing
from terminals.directory.realms import RealmOffer
from terminals.models import DeliverySettings, Installation, Terminal


@pytest.fixture
def asked(fleet, key_file):
    """A terminal through the server whose realm is another one, another of its type, and one that is notified directly."""
    kind = fleet.type("A Snom", "sip_standard", way="server")
    made = [
        Terminal.objects.create(
            number=number, type=kind, way=way, address="192.0.2.7", sip_password=sealing.seal(b"secret")
        )
        for number, way in (("101", ""), ("102", "server"), ("103", "direct"))
    ]

    def asks(realm="phones", *, proved=True, **values):
        Installation.objects.create(
            generation_id=1,
            terminal=made[0],
            **{
                "state": "failed",
                "failure": "other_realm",
                "failed_at": timezone.now(),
                "status_code": 401,
                "answered_at": timezone.now(),
                "reaction": "credentials",
                "challenge_realm": realm,
                "challenge_proved": proved,
            }
            | values,
        )
        return made[0]

    return asks


def take(client, one, *, whose="terminal", **values):
    offer = RealmOffer.of(one)
    sent = {"realm": offer.realm, "proved": str(offer.proved), "whose": whose} if offer else {}
    return client.post(f"/terminals/{one.pk}/realm/", sent | values, follow=True)


def realms():
    return dict(Terminal.objects.values_list("number", "sip_realm"))


def with_password():
    return list(Terminal.objects.filter(sip_password__isnull=False).values_list("number", flat=True))


def test_the_failure_names_the_realm_and_the_page_offers_it(asked, viewer_client, administrator_client, text):
    one = asked()

    for client in (viewer_client, administrator_client):
        page = text(client.get(f"/terminals/{one.pk}/"))
        assert "It asks for a user and a password of the realm “phones”, and there are none for it." in page
        assert "the realm “phones” asked for a user and a password" in page
    assert "Take over for all of the type A Snom" in page
    assert "Take over" not in text(viewer_client.get(f"/terminals/{one.pk}/"))


def test_one_click_takes_it_over_for_the_terminal_and_keeps_the_password_that_the_server_asked_for(
    asked, administrator_client, text
):
    one = asked()

    assert "has been taken over for 1 terminal." in text(take(administrator_client, one))

    assert realms() == {"101": "phones", "102": "", "103": ""}
    assert with_password() == ["101", "102", "103"]
    assert "asked for a user and a password. What" not in text(administrator_client.get(f"/terminals/{one.pk}/"))


def test_or_for_all_of_its_type_where_one_that_is_notified_directly_loses_its_password(
    asked, administrator_client, text
):
    one = asked()
    assert "Deleted for this terminal: 0; for all of its type: 1." in text(
        administrator_client.get(f"/terminals/{one.pk}/")
    )

    page = text(take(administrator_client, one, whose="type"))

    assert "has been taken over for 3 terminals." in page
    assert "1 stored SIP password has been deleted" in page
    assert set(realms().values()) == {"phones"}
    assert with_password() == ["101", "102"]


def test_where_nothing_proves_who_asked_every_password_goes_and_the_page_says_so_before(
    asked, administrator_client, text
):
    one = asked(proved=False)
    assert "Deleted for this terminal: 1; for all of its type: 3." in text(
        administrator_client.get(f"/terminals/{one.pk}/")
    )

    take(administrator_client, one, whose="type")

    assert (set(realms().values()), with_password()) == ({"phones"}, [])


def test_what_was_asked_over_tls_keeps_no_password_that_would_go_over_udp_now(asked, administrator_client):
    one = asked()
    DeliverySettings.load()
    DeliverySettings.objects.update(proxy_transport="udp")

    take(administrator_client, one)

    assert with_password() == ["102", "103"]


@pytest.mark.parametrize("changed", [{"realm": "mine"}, {"proved": "True"}, {"realm": ""}])
def test_nothing_is_taken_over_that_was_not_offered(asked, administrator_client, text, changed):
    one = asked(proved=False)

    assert "What was offered is no longer so." in text(take(administrator_client, one, **changed))
    assert set(realms().values()) == {""}


def test_only_administrators_do(asked, operator_client):
    one = asked()

    assert take(operator_client, one).status_code == 403
    assert set(realms().values()) == {""}


@pytest.mark.parametrize(
    "values",
    [{"realm": ""}, {"realm": "pbx.example.com"}, {"status_code": 407}, {"reaction": "heard"}],
    ids=["none named", "its own", "a server on the way", "it has heard"],
)
def test_what_helps_nobody_is_not_offered(asked, administrator_client, text, values):
    one = asked(**values)

    assert RealmOffer.of(one) is None
    assert "asked for a user and a password. What" not in text(administrator_client.get(f"/terminals/{one.pk}/"))


def test_a_server_on_the_way_that_asks_is_answered_by_the_account(asked, viewer_client, text):
    page = text(viewer_client.get(f"/terminals/{asked(status_code=407).pk}/"))

    assert "enter the account, and this realm as SIP domain, under Delivery" in page


def test_a_wrong_password_is_called_so_with_its_realm(asked, viewer_client, text):
    page = text(viewer_client.get(f"/terminals/{asked(failure='credentials').pk}/"))

    assert "The user or the password for the realm “phones” is not right." in page


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("mitel_sip", "take notifications from its communication server only"),
        ("ip_system", "its agent does not run"),
        ("sip_standard", "drop the notification without a word"),
    ],
)
@pytest.mark.parametrize("status", [None, 408])
def test_what_silence_can_mean_is_said_for_its_type(fleet, viewer_client, text, method, told, status):
    [phone] = fleet.add(of=fleet.type("A type", method))
    row = Installation.objects.create(
        generation_id=1,
        terminal=phone.terminal,
        state="absent",
        asked_at=timezone.now() - timedelta(minutes=1),
        reaction="absent",
        status_code=status,
        answered_at=timezone.now() if status else None,
    )
    page = f"/terminals/{phone.terminal.pk}/"
    assert told in text(viewer_client.get(page))

    Installation.objects.filter(pk=row.pk).update(status_code=480, answered_at=timezone.now())
    assert told not in text(viewer_client.get(page))
