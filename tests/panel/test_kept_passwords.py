"""Another communication server under System / General gets no answer that is made with a stored password (rule kept-password)."""

import re

import pytest

from pbxcerts.panel import saving
from pbxcerts.system import sealing
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from terminals.models import DeliverySettings, Terminal, TerminalType
from tests.panel.test_general_page import URL, typed

ACCOUNT = "the stored password of the account"
TERMINAL = "deletes the stored SIP password of 1 terminal"


@pytest.fixture(autouse=True)
def stored(administrator_client):
    administrator_client.cookies["django_language"] = "en"
    General.load()
    General.objects.update(fqdn="pbx.example.com")
    DeliverySettings.load()
    DeliverySettings.objects.update(account_user="pbxcerts", account_password=sealing.seal(b"s3cret"))
    kind = TerminalType.objects.create(name="Door", method="sip_standard", way="server")
    for number, realm in (("101", ""), ("102", "phones")):
        Terminal.objects.create(number=number, type=kind, sip_realm=realm, sip_password=sealing.seal(b"secret"))


@pytest.fixture
def text():
    return lambda response: " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def kept():
    """Whose password is still there."""
    numbers = set(Terminal.objects.filter(sip_password__isnull=False).values_list("number", flat=True))
    return numbers | ({"account"} if DeliverySettings.load().account_password is not None else set())


def test_the_page_says_what_is_lost_and_does_it_when_applied_once_more(administrator_client, text):
    entered = typed(fqdn="elsewhere.example.com")

    told = administrator_client.post(URL, entered)

    assert ACCOUNT in text(told)
    assert TERMINAL in text(told)
    assert (General.load().fqdn, kept()) == ("pbx.example.com", {"101", "102", "account"})
    again = entered | {"password_goes": told.context["form"]["password_goes"].value()}
    assert administrator_client.post(URL, again).status_code == 302
    assert (General.load().fqdn, kept()) == ("elsewhere.example.com", {"102"})


@pytest.mark.parametrize(
    ("delivery", "entered"),
    [
        ({}, {"site_name": "North"}),
        ({"proxy_host": "proxy.example.com"}, {"fqdn": "elsewhere.example.com"}),
    ],
    ids=["the same server", "the delivery names another one"],
)
def test_what_leaves_the_answers_where_they_went_asks_nothing_and_deletes_nothing(
    administrator_client, delivery, entered
):
    DeliverySettings.objects.update(**delivery)

    assert administrator_client.post(URL, typed(**entered)).status_code == 302

    assert kept() == {"101", "102", "account"}


def test_over_tls_the_realm_alone_counts():
    DeliverySettings.objects.update(sip_domain="phones.example.com", proxy_transport="tls")

    saving.apply_general({"fqdn": "elsewhere.example.com"}, expected_version=0, now=timekeeping.now())

    assert kept() == {"101", "102"}
