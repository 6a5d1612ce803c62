"""Where a fetch is unproved the pages and the command say from where it came and who shares that, and one click accepts it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from terminals.evidence import recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust
from terminals.evidence.models import Requester
from terminals.models import DeliverySettings, Installation
from terminals.rollout import rounds

PAGE = "/terminals/rollout/"
NETWORK = "/terminals/accept-network/"


@pytest.fixture
def phones(mixed):
    """Twelve Mitel phones; the trust files of the first three were fetched from one address, with one of them from another too."""
    found = [phone for phone in mixed.phones.values() if phone.terminal.type.method == "mitel_sip"]
    for phone in found[:3]:
        came(mixed, phone, "10.1.2.3")
    came(mixed, found[0], "2001:db8:7::1")
    return found


def came(fleet, phone, address):
    key, now = phone.terminal.pk, fleet.world.now
    recording.write_facts(
        [
            FetchedConfiguration(key, "a.cfg", "", address, now),
            FetchedTrust(key, frozenset({1, 2}), "2-1.0.pem", "Mitel", address, now),
        ]
    )


def states(phones):
    rows = Installation.objects.filter(generation=2, terminal__in=[phone.terminal.pk for phone in phones])
    return list(rows.order_by("terminal").values_list("state", "proof", "confirmed_by"))


def page_of(phone):
    return f"/terminals/{phone.terminal.pk}/"


def test_the_rollout_names_the_addresses_and_who_shares_them(phones, administrator_client, text):
    page = text(administrator_client.get(PAGE))
    assert "Fetched, unproved: 3" in page
    assert "3 fetched, unproved" in page
    assert "10.1.2.3" in page
    assert "2001:db8:7::1" in page
    first, second, third = (str(phone.terminal) for phone in phones[:3])
    assert f"From there the files of these were asked for too: {second}, {third}." in page
    assert f"From there the files of these were asked for too: {first}, {third}." in page
    assert "From there nobody else" in page


def test_so_does_the_page_of_the_terminal_with_its_evidence(phones, operator_client, text):
    page = text(operator_client.get(page_of(phones[0])))
    assert "fetched, unproved" in page
    assert "Nothing shows that it was this terminal" in page
    assert "Who asked for its files" in page
    assert "took the trust files of generations 2, 1" in page
    assert "Accept 10.1.2.3 for this terminal" in page
    assert "Accept 2001:db8:7::/64 for this terminal" in page


def test_where_many_share_an_address_it_says_how_many(mixed, phones, operator_client, text):
    for phone in phones[3:10]:
        came(mixed, phone, "10.1.2.3")
    page = text(operator_client.get(page_of(phones[1])))
    assert "From there the files of 9 other terminals were asked for too." in page


def test_whose_address_it_is_in_the_list_is_said(mixed, phones, operator_client, text):
    phones[5].terminal.address = "10.1.2.3:5060"
    phones[5].terminal.save()
    page = text(operator_client.get(page_of(phones[0])))
    assert f"In the list it is the address of {phones[5].terminal}." in page


def test_one_click_accepts_it_for_the_terminal(phones, operator_client, text):
    answer = operator_client.post(
        f"{page_of(phones[0])}accept/", {"source": "10.1.2.3", "from": "rollout"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == PAGE
    assert "What asks from 10.1.2.3 is terminal" in text(answer)
    (first, second) = states(phones[:2])
    assert first == ("confirmed", "accepted", "otto")
    assert second == ("unproved", "", "")
    page = text(operator_client.get(page_of(phones[0])))
    assert "from an address that a person accepted" in page
    assert "has accepted it for this terminal." in page


def test_it_can_be_taken_back(phones, operator_client, text):
    operator_client.post(f"{page_of(phones[0])}accept/", {"source": "10.1.2.3"})
    answer = operator_client.post(f"{page_of(phones[0])}no-longer-accept/", {"source": "10.1.2.3"}, follow=True)
    assert "is no longer accepted" in text(answer)
    assert states(phones[:1]) == [("unproved", "", "")]
    assert not Requester.objects.exclude(accepted_by="").exists()


def test_one_click_accepts_its_network(mixed, phones, administrator_client, text):
    answer = administrator_client.post(
        NETWORK, {"network": "10.1.2.0/24", "terminal": phones[0].terminal.pk}, follow=True
    )
    assert answer.redirect_chain[-1][0] == page_of(phones[0])
    assert DeliverySettings.load().telephone_networks == ["10.1.2.0/24"]
    rounds.reconcile_rollouts(mixed.world.situation)
    assert [state[:2] for state in states(phones[:3])] == [("confirmed", "network")] * 3
    assert "Fetched, unproved" not in text(administrator_client.get(PAGE))
    again = administrator_client.post(NETWORK, {"network": "10.1.2.0/24"}, follow=True)
    assert "Nothing has changed." in text(again)


@pytest.mark.parametrize("network", ["", "0.0.0.0/0", "office", "10.1.2.3/24"])
def test_what_is_no_network_is_not_named(phones, administrator_client, network):
    assert administrator_client.post(NETWORK, {"network": network}).url == "/terminals/delivery/"
    assert DeliverySettings.load().telephone_networks == []


def test_an_operator_accepts_no_network_and_a_viewer_nothing(phones, operator_client, viewer_client, text):
    accept = {"source": "10.1.2.3"}
    assert operator_client.post(NETWORK, {"network": "10.1.2.0/24"}).status_code == 403
    for way in ("accept", "no-longer-accept"):
        assert viewer_client.post(f"{page_of(phones[0])}{way}/", accept).status_code == 403
    assert "as a network of telephones" not in text(operator_client.get(PAGE))
    for page in (PAGE, page_of(phones[0])):
        assert "Accept 10.1.2.3" not in text(viewer_client.get(page))
    assert states(phones[:1]) == [("unproved", "", "")]


@pytest.mark.parametrize("source", ["", "203.0.113.9", "x" * 1000])
def test_an_address_that_has_not_asked_is_not_accepted(phones, operator_client, text, source):
    answer = operator_client.post(f"{page_of(phones[0])}accept/", {"source": source}, follow=True)
    assert "Nothing has been done." in text(answer)
    assert states(phones[:1]) == [("unproved", "", "")]


def test_a_public_address_is_offered_alone(mixed, phones, administrator_client, text):
    """The neighbours have theirs from the same provider."""
    came(mixed, phones[4], "93.184.216.34")
    page = text(administrator_client.get(page_of(phones[4])))
    assert "Accept 93.184.216.34/32 as a network of telephones" in page


def test_the_address_of_a_proxy_is_not_offered(mixed, phones, administrator_client, settings, text):
    settings.TRUSTED_PROXIES = ["10.1.2.3"]
    page = text(administrator_client.get(page_of(phones[1])))
    assert "It is the address of a proxy" in page
    assert "Accept 10.1.2" not in page


def test_the_list_finds_them(phones, viewer_client, text):
    page = text(viewer_client.get("/terminals/?state=unproved"))
    assert "3 terminals" in page
    assert "Fetched, unproved: its trust file was fetched from 10.1.2.3" in page
    assert "fetched, unproved" in text(viewer_client.get("/terminals/?order=state"))


def test_queries_do_not_grow_with_those_who_asked(mixed, phones, administrator_client):
    def count():
        administrator_client.get(PAGE)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            administrator_client.get(PAGE)
        return len(captured)

    few = count()
    for phone in phones[3:]:
        came(mixed, phone, "10.1.2.3")
        came(mixed, phone, f"10.9.9.{phone.terminal.pk % 250}")
    assert count() <= few <= 22


# -- the command ---------------------------------------------------------------------------------------------------------


def rollout(*arguments):
    out = StringIO()
    call_command("rollout", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_names_them_and_accepts(phones):
    assert "Fetched, unproved:" in rollout()
    assert "10.1.2.3" in rollout()
    second = phones[1].terminal.number
    assert "10.1.2.3" in rollout("accept", second)
    assert states(phones[1:2])[0][:2] == ("confirmed", "accepted")
    value = json.loads(rollout("--json"))["rollout"]["terminals"]["states"]
    assert (value["unproved"], value["confirmed"]) == (2, 1)
    out = StringIO()
    call_command("terminals", "list", "--json", stdout=out)
    by_number = {one["number"]: one for one in json.loads(out.getvalue())["terminals"]}
    assert by_number[second]["trusts"][0]["proof"] == "accepted"
    assert by_number[second]["unproved_address"] is None
    third = by_number[phones[2].terminal.number]
    assert (third["state"], third["unproved_address"]) == ("unproved", "10.1.2.3")


def test_where_two_have_asked_the_command_wants_to_know_which(phones):
    number = phones[0].terminal.number
    with pytest.raises((CommandError, SystemExit)):
        rollout("accept", number)
    assert "10.1.2.3" in rollout("accept", number, "--address", "10.1.2.3")
    assert states(phones[:1])[0][:2] == ("confirmed", "accepted")


def test_where_nobody_has_asked_there_is_nothing_to_accept(phones):
    with pytest.raises((CommandError, SystemExit)):
        rollout("accept", phones[9].terminal.number)
    with pytest.raises((CommandError, SystemExit)):
        rollout("accept", phones[0].terminal.number, "--address", "203.0.113.66")
    assert states([phones[9]])[0][:2] == ("waiting", "")
