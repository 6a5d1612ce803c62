"""What applying System / General leads on to, over certificates that there are."""

from pbxcerts.system.models import General
from tests.panel.test_general_page import URL, typed
from tests.terminals.pages.conftest import english, world

__all__ = ["english", "world"]


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


def test_what_telephones_make_of_the_names_is_told_with_them_and_nothing_else(world, settings, administrator_client):
    settings.TERMINALS = "tests.support.telephones.DoubtedTelephones"

    said = administrator_client.post(URL, typed(dns_names="sip.example.net"), follow=True).content.decode()
    assert "Snom (2): They want an address. Enter it." in said
    assert "Old ones (4):" not in said

    assert (
        "They want an address" not in administrator_client.post(URL, typed(site_name="N"), follow=True).content.decode()
    )
