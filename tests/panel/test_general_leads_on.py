"""What applying System / General leads on to, over certificates that there are."""

import re

from pbxcerts.system.models import General
from tests.panel.test_general_page import URL, typed
from tests.terminals.pages.conftest import english, fleet, world

__all__ = ["english", "fleet", "world"]


def test_a_new_address_leads_on_to_the_generation_that_it_needs(world, administrator_client):
    followed = administrator_client.post(URL, typed(ip_addresses="192.0.2.99"), follow=True)

    assert followed.redirect_chain[-1][0].startswith("/certificates/generate/?reason=")
    said = followed.content.decode()
    assert "Not in the active host certificate: 192.0.2.99." in said
    assert "→ 192.0.2.99</textarea>" in said


def test_a_name_that_the_active_certificate_has_leads_nowhere(world, administrator_client):
    assert administrator_client.post(URL, typed(site_name="North"))["Location"] == URL


def test_new_ntp_servers_are_asked_first(world, ntp, administrator_client):
    changed = typed(ip_addresses="192.0.2.99", ntp_servers=f"{ntp.server}\n192.0.2.123:9")

    assert administrator_client.post(URL, changed)["Location"] == f"{URL}?check"


def test_it_stays_there_before_the_first_pair(db, administrator_client):
    General.load()

    assert administrator_client.post(URL, typed(ip_addresses="192.0.2.99"))["Location"] == URL


def test_what_telephones_make_of_the_names_is_asked_about_and_what_was_typed_is_kept(
    world, settings, administrator_client
):
    settings.TERMINALS = "tests.support.telephones.DoubtedTelephones"
    before = General.load().dns_names

    said = administrator_client.post(URL, typed(dns_names="sip.example.net")).content.decode()
    assert "Snom (2): They want an address. Enter it." in said
    assert "Apply once more to save these names all the same." in said
    assert "Old ones (4):" not in said
    assert "sip.example.net</textarea>" in said
    assert General.load().dns_names == before

    [carried] = re.findall(r'name="names_in_doubt" value="([^"]+)"', said)
    changed = typed(dns_names="sip.example.net", names_in_doubt=carried)
    assert administrator_client.post(URL, changed).status_code == 302
    assert General.load().dns_names == ["sip.example.net"]


def test_names_that_make_a_file_too_large_are_asked_about_before_they_are_saved(
    world, fleet, settings, administrator_client
):
    settings.TERMINALS = "terminals.handover.KnownTerminals"
    fleet.add(2, fleet.type("Desk", "sip_standard", size_limit=4000, wants="host"))
    names = "\n".join(f"pbx{n}.a-rather-long-site-name.example.org" for n in range(40))

    said = administrator_client.post(URL, typed(dns_names=names)).content.decode()

    assert "Desk (2): With such keys and names the file" in said
    assert "Apply once more to save these names all the same." in said


def test_what_has_nothing_to_do_with_names_asks_nothing(world, settings, administrator_client):
    settings.TERMINALS = "tests.support.telephones.DoubtedTelephones"

    assert administrator_client.post(URL, typed(site_name="North")).status_code == 302
    assert General.load().site_name == "North"


def test_the_names_that_are_typed_are_judged_and_not_those_that_stand_there(world, fleet, administrator_client):
    """One that checks names is reached by an address; there is one until now."""
    fleet.add(2, fleet.type("Snom D785", "sip_standard"), firmware="10.1.184.15")
    refuses = "because no address stands in the host certificate"

    said = administrator_client.post(URL, typed(ip_addresses="", own_addresses="")).content.decode()
    assert refuses in said
    assert "Snom D785, firmware 10.1.184.15 (2)" in said
    assert administrator_client.post(URL, typed(ip_addresses="192.0.2.99")).status_code == 302
