"""What happens in the next hours of restarts, in words and with the telephones in their order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.status.page import CertificateStatus
from pbxcerts.panel.overview import Overview
from terminals.models import DeliverySettings, Installation, Rollout
from terminals.states import Wave
from tests.panel.test_overview import alive
from tests.terminals.pages.conftest import english, fleet, mixed, put, text, world, yealink

__all__ = ["alive", "english", "fleet", "mixed", "put", "text", "world", "yealink"]


@pytest.fixture
def tonight():
    return lambda: Overview(CertificateStatus.load()).tonight


def test_before_the_first_pair_nothing_is_said(db, key_file, settings, tmp_path, tonight):
    settings.STORE = tmp_path / "store"

    assert tonight() is None


@pytest.mark.parametrize(
    ("hour", "said"), [(17, "Next: "), (18, "Tonight: "), (23, "Tonight: "), (7, "Tonight: "), (8, "Next: ")]
)
def test_only_what_begins_between_evening_and_morning_is_called_tonight(world, tonight, hour, said):
    begins = (timezone.localtime(world.now) + timedelta(days=1)).replace(hour=hour, minute=0, second=0, microsecond=0)

    assert replace(tonight(), begins=begins, ends=begins + timedelta(hours=1)).heading.startswith(said)


def test_where_telephones_may_restart_already_it_says_until_when(world, tonight):
    now = timezone.localtime(world.now)
    found = replace(tonight(), begins=now - timedelta(hours=1), ends=now.replace(hour=4, minute=30))

    assert found.heading == "Now, until 04:30"


def test_on_a_quiet_night_nothing_is_made_and_nobody_restarts(world, tonight):
    assert tonight().sentences == [
        "Nothing is generated, and the communication server stays with generation 1.",
        "No telephone restarts.",
    ]
    assert tonight().turns == []


def test_the_telephones_stand_in_their_order_with_names(mixed, tonight):
    found = tonight()

    assert sum(turn.count for turn in found.turns) == found.restarting == 12
    assert [turn.wave for turn in found.turns] == sorted(turn.wave for turn in found.turns)
    assert found.turns[0].wave == Wave.FIRST
    (first,) = Installation.objects.filter(generation=2, wave=Wave.FIRST, terminal__type__method="mitel_sip")
    assert found.turns[0].names == (str(first.terminal),)


def test_no_more_are_named_than_restart_in_one_night(mixed, tonight):
    DeliverySettings.load()
    DeliverySettings.objects.update(at_once=1, window_hours=1, waves=False)
    mixed.add(40)
    mixed.beat()
    found = tonight()

    assert 0 < found.restarting < 40
    assert sum(turn.count for turn in found.turns) <= found.restarting
    assert all(len(turn.names) <= 5 for turn in found.turns)


def test_a_paused_rollout_restarts_nobody(mixed, tonight):
    Rollout.objects.update(state=Rollout.State.PAUSED)

    assert tonight().turns == []
    assert "paused or has stopped" in tonight().sentences[1]


def test_it_says_whether_the_server_switches(mixed, tonight):
    assert tonight().sentences[0].startswith("The communication server stays with generation 1, unless all")

    pending = mixed.world.situation.pending
    type(pending).objects.filter(pk=pending.pk).update(deadline=tonight().ends - timedelta(minutes=5))
    assert tonight().sentences[0].startswith("The communication server switches to generation 2, on ")


def test_a_deadline_that_is_over_promises_no_switch(mixed, tonight):
    pending = mixed.world.situation.pending
    type(pending).objects.filter(pk=pending.pk).update(deadline=mixed.world.now - timedelta(minutes=5))

    assert tonight().sentences[0].startswith("The communication server stays with generation 1, unless all")
    assert "deadline" not in {mark.kind for mark in Overview(CertificateStatus.load()).timeline.marks}


def test_what_was_asked_already_is_not_in_the_order_any_more(mixed, put, tonight):
    before = sum(turn.count for turn in tonight().turns)
    put("mitel_sip", 3, state="confirmed", confirmed_at=mixed.world.now)

    assert sum(turn.count for turn in tonight().turns) == before - 3


def test_the_page_shows_it(mixed, alive, administrator_client, text):
    page = text(administrator_client.get("/"))

    assert "telephones restart, in this order:" in page
    assert "first ones: 1 telephone:" in page
