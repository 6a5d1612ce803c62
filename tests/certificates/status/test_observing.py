"""One round of the heartbeat: what it remembers of disk and ports for the pages, and what another round may not spoil."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certificates.communication_server.store import Store
from certificates.models import Generation, Switch
from certificates.pki import formats
from certificates.renewal import orders
from certificates.status.observing import look_if_due, observe
from certificates.status.warnings import certificate_warnings
from pbxcerts import heartbeat
from pbxcerts.system.models import EventMessage, Heartbeat
from pbxcerts.system.time import ntp, timekeeping
from tests.support.generations import MINUTE, START
from tests.support.tls_server import TlsServer, fingerprint
from tests.support.x509 import a_pair

pytestmark = pytest.mark.django_db


def ask(servers):
    answer = ntp.NtpAnswer(servers[0], servers[0], offset=timedelta(), delay=timedelta(), stratum=2, leap=0)
    return ntp.NtpSurvey((answer,))


@pytest.fixture
def now_running(world):
    """The first pair is active, by the machine's own clock: the heartbeat reads that."""
    world.at(datetime.now(UTC)).generate()
    return world


def beat(world):
    return heartbeat.beat(server=world.server, ask=ask)


def open_messages():
    return {row.kind: row for row in EventMessage.objects.filter(cleared_at=None)}


@pytest.fixture
def server(now_running, tmp_path):
    current = now_running.published("current")
    server = TlsServer(current / "fullchain.pem", current / "host.key", directory=tmp_path).start()
    now_running.set(tls_addresses=[server.address])
    yield server
    server.stop()


# -- the disk ---------------------------------------------------------------------------------------------------------


def test_a_refusal_of_the_disk_stays_told_while_another_process_publishes(now_running):
    """A round that could not try says nothing about the disk."""
    obstacle = now_running.published("generations/0001/host.pem")
    obstacle.unlink()
    obstacle.mkdir()
    beat(now_running)
    assert str(obstacle) in open_messages()["publish_failed"].params["error"]
    with Store(now_running.store.path).locked():
        beat(now_running)
    assert "publish_failed" in open_messages()
    obstacle.rmdir()
    beat(now_running)
    assert "publish_failed" not in open_messages()
    assert now_running.store.differences(now_running.situation.publication()) == []


def test_what_another_process_is_just_publishing_is_no_difference(now_running):
    orders.order_generation(now_running.clock(), orders.GenerationOrder("page", by="anna", at_once=True))
    now_running.published("generations/0001/host.pem").unlink()
    with Store(now_running.store.path).locked():
        beat(now_running)
        assert "files_differ" not in open_messages()
        assert observe(now_running.situation, Heartbeat.load(), published=now_running.store).differences == ()
    seen = observe(now_running.situation, Heartbeat.load(), published=now_running.store)
    assert seen.differences == ("generations/0001/host.pem",)


def test_what_somebody_changed_is_told_and_mended_within_a_minute(now_running):
    key = now_running.published("generations/0001/host.key")
    right = key.read_bytes()
    key.write_bytes(b"")
    outcome = beat(now_running)
    assert outcome.did
    assert key.read_bytes() == right
    assert "host.key" in open_messages()["files_differ"].params["files"]
    assert not beat(now_running).did
    assert "files_differ" not in open_messages()


def differences(world, situation=None):
    return observe(situation or world.situation, Heartbeat.load(), published=world.store).differences


@pytest.fixture
def handing_over(now_running):
    """The second pair is prepared."""
    now_running.generate()
    assert now_running.states == {1: "active", 2: "prepared"}
    return now_running


def test_what_a_person_has_just_ordered_is_no_difference_until_it_is_published(handing_over):
    orders.discard(handing_over.clock(), by="anna")
    assert differences(handing_over) == ()
    beat(handing_over)
    assert "files_differ" not in open_messages()
    assert not EventMessage.objects.filter(kind="files_differ").exists()
    assert not handing_over.published("next").is_symlink()


def test_what_nobody_has_ordered_is_a_difference_all_the_same(handing_over):
    orders.discard(handing_over.clock(), by="anna")
    handing_over.published("current").unlink()
    handing_over.published("generations/0001/host.pem").unlink()
    assert differences(handing_over) == ("generations/0001/host.pem", "current")
    beat(handing_over)
    handing_over.published("trust.pem").unlink()
    assert differences(handing_over) == ("trust.pem",)


def test_a_pair_that_leaves_the_bundle_by_itself_is_no_difference(handing_over):
    handing_over.activate()
    before = handing_over.generation(1)
    Generation.objects.filter(number=1).update(leaves_bundle_at=handing_over.now - MINUTE)
    assert before.leaves_bundle_at > handing_over.now
    assert handing_over.roots_in_bundle() == {1, 2}
    assert differences(handing_over) == ()
    beat(handing_over)
    assert handing_over.roots_in_bundle() == {2}
    assert not EventMessage.objects.filter(kind="files_differ").exists()


def test_what_was_published_while_a_page_was_made_is_no_difference(handing_over):
    """A page reads the database, then the disk."""
    read_before = handing_over.situation
    handing_over.discard()
    assert differences(handing_over, read_before) == ()
    assert differences(handing_over) == ()


def test_a_mark_of_before_it_named_the_links_says_nothing_of_them_and_gets_them(handing_over):
    place = handing_over.published("mark.json")
    old = json.loads(place.read_text())
    del old["links"]
    place.write_text(json.dumps(old))
    handing_over.published("next").unlink()
    assert differences(handing_over) == ("next",)
    beat(handing_over)
    assert set(handing_over.store.mark().links) == {"trust.pem", "next", "current"}


# -- the ports --------------------------------------------------------------------------------------------------------


def test_it_remembers_what_the_server_presents(now_running, server):
    beat(now_running)
    seen = Heartbeat.load().presented[server.address]
    assert seen["sha256"] == fingerprint(server.certificate) == now_running.active.host_sha256
    assert "presents_other" not in open_messages()


def test_a_server_that_presents_another_pair_is_told_and_cleared(now_running, server, tmp_path):
    other, right = a_pair(), (server.certificate, server.key)
    (tmp_path / "other.pem").write_bytes(formats.agent_pem(other.host, other.host_key))
    server.on_reload = "watch"
    server.certificate = server.key = tmp_path / "other.pem"
    beat(now_running)
    message = open_messages()["presents_other"]
    assert (message.severity, message.params) == ("critical", {"address": server.address})
    server.certificate, server.key = right
    Heartbeat.objects.update(presented={})
    beat(now_running)
    assert "presents_other" not in open_messages()


def test_what_an_address_presented_before_a_switch_is_not_held_against_the_pair_after_it(
    now_running, server, monkeypatch
):
    """A page that is read when the switch is over, and the round has not yet looked again."""
    server.on_reload = "watch"
    beat(now_running)
    read = []
    monkeypatch.setattr(
        heartbeat,
        "look_if_due",
        lambda situation, presented, *, did: (
            read.append(
                certificate_warnings(situation, observe(situation, Heartbeat.load(), published=now_running.store))
            )
            or look_if_due(situation, presented, did=did)
        ),
    )
    orders.order_generation(timekeeping.current_clock(), orders.GenerationOrder("page", by="anna", at_once=True))
    beat(now_running)
    assert now_running.active.number == 2
    assert [notice.id for notice in read[-1] if notice.id == "presents_other"] == []
    assert Heartbeat.load().presented[server.address]["sha256"] == now_running.active.host_sha256


def remembered(world, server, age, *, did=False):
    """Whether what was seen so long ago is looked at again."""
    at = (world.now - age).isoformat()
    presented = {server.address: {"sha256": "old", "error": "", "at": at}}
    return look_if_due(world.situation, presented, did=did) == presented


def test_it_looks_every_five_minutes_give_or_take_half_a_beat(now_running, server):
    assert remembered(now_running, server, 4 * MINUTE)
    assert not remembered(now_running, server, 4 * MINUTE + timedelta(seconds=40))


def test_it_looks_at_once_after_something_was_done_or_another_address_was_set_or_the_clock_was_set_back(
    now_running, server
):
    assert not remembered(now_running, server, MINUTE, did=True)
    assert not remembered(now_running, server, -MINUTE)
    now_running.set(tls_addresses=[server.address, "127.0.0.1:1"])
    assert not remembered(now_running, server, MINUTE)


def test_without_an_address_it_looks_at_nothing(world):
    assert look_if_due(world.situation, {}, did=True) == {}


# -- its own life -----------------------------------------------------------------------------------------------------


def test_it_counts_its_rounds_and_shows_life_in_the_middle_of_a_long_switch(now_running, server):
    now_running.generate()
    beats = Heartbeat.load().beats
    beat(now_running)
    assert Heartbeat.load().beats == beats + 1
    now_running.server = replace(now_running.server, look_for=0.3, look_every=0.02)
    orders.activate(timekeeping.current_clock(), by="anna")
    beat(now_running)
    assert Switch.objects.first().outcome == "went_back"
    assert Heartbeat.load().beats > beats + 5
    assert Heartbeat.load().last_run > START
