"""One part of each page asks for itself, so that an open page asks for nothing twice (rule cheap-looks)."""

import re

import pytest
from django.urls import reverse

from certificates.call_proof.models import CallProof
from certificates.call_proof.orders import order_after_switch
from pbxcerts.system.models import General
from terminals.directory.ways_in import FirstToCome
from terminals.models import Terminal, TerminalType
from tests.browser.conftest import everything
from tests.browser.test_accessibility import addresses, variants
from tests.terminals.pages.conftest import english, fleet, mixed, world, yealink

pytestmark = pytest.mark.simulation


__all__ = ["addresses", "english", "everything", "fleet", "mixed", "variants", "world", "yealink"]


def asking(html):
    return re.findall(r'hx-get="([^"]+)"\s+hx-trigger="every', html)


def test_one_part_of_each_page_asks(addresses, variants, administrator_client):
    """A page without the frame, such as a link for a technician, stays as it is."""
    framed = 0
    for name, address in (addresses | variants).items():
        html = administrator_client.get(address).content.decode()
        has_frame = 'id="states"' in html
        framed += has_frame
        assert len(asking(html)) == has_frame, name
        assert "hx-swap-oob" not in html, name
    assert framed > 60


def test_while_a_proof_runs_its_part_asks_and_afterwards_the_title_bar_does(mixed, administrator_client):
    General.objects.update(tls_addresses=["192.0.2.1:5061"])
    active = mixed.world.situation.active
    order_after_switch(active.number, mixed.world.now)
    page, part = reverse("certificates:call_proof"), reverse("certificates:call_proof_newest")
    bar = reverse("system:events_open")

    assert asking(administrator_client.get(page).content.decode()) == [part]
    assert asking(administrator_client.get(part).content.decode()) == [part]
    CallProof.objects.update(running=None, outcome="proved", finished_at=mixed.world.now)
    assert asking(administrator_client.get(part).content.decode()) == [bar]
    assert asking(administrator_client.get(page).content.decode()) == [bar]


def test_until_the_first_telephone_of_a_type_has_come_its_part_asks_and_then_the_title_bar_does(
    mixed, administrator_client, monkeypatch
):
    kind = TerminalType.objects.create(name="Yealink by its own", method="yealink", wants="root")
    terminal = Terminal.objects.create(number="800", type=kind)
    page, part = (reverse(f"terminals:types:{name}", args=[kind.pk]) for name in ("type", "first"))
    bar = reverse("system:events_open")
    assert asking(administrator_client.get(page).content.decode()) == [part]
    assert asking(administrator_client.get(part).content.decode()) == [part]

    came = FirstToCome(terminal, mixed.world.now, "192.0.2.9", proved=True)
    monkeypatch.setattr("terminals.views.types.first_to_come", lambda _type: came)
    monkeypatch.setattr("terminals.directory.ways_in.first_to_come", lambda _type: came)
    assert asking(administrator_client.get(part).content.decode()) == [bar]
    assert asking(administrator_client.get(page).content.decode()) == [bar]
