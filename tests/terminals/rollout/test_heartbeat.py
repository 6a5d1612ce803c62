"""The heartbeat asks the terminals, says what is true of them, and lives through what goes wrong there."""

from datetime import UTC, datetime, timedelta

import pytest

from certificates.models import Generation
from certificates.renewal import orders
from pbxcerts import heartbeat
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import EventMessage, Heartbeat
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.time.ntp import NtpAnswer, NtpSurvey
from pbxcerts.system.time.timekeeping import current_clock
from terminals.models import Installation, Rollout, Terminal, TerminalType
from tests.support.generations import a_world
from tests.support.sip_phone import a_phone


def right(servers):
    """Servers that agree with this machine."""
    return NtpSurvey(
        tuple(
            NtpAnswer(name, f"192.0.2.{n}", timedelta(), timedelta(), 2, 0) for n, name in enumerate(servers, start=1)
        )
    )


@pytest.fixture
def running(db, tmp_path, key_file):
    """The first pair is active since now, by this machine's own clock."""
    world = a_world(tmp_path / "store").at(datetime.now(UTC))
    orders.order_generation(
        current_clock(), orders.GenerationOrder(Generation.Trigger.PAGE, without_clock=True, restart_now=True)
    )
    beat(server=world.server, ask=right)
    assert world.states == {1: "active"}
    return world


def a_terminal(address):
    kind = TerminalType.objects.get_or_create(name="Mitel 6867i", defaults={"method": "mitel_sip"})[0]
    return Terminal.objects.create(number="101", type=kind, address=address, way="direct", path_secret="secret")


def test_it_asks_a_telephone(running):
    with a_phone() as (port, heard):
        a_terminal(f"127.0.0.1:{port}")
        beat(server=running.server, ask=right)
    assert (Installation.objects.get().state, len(heard)) == ("heard", 1)
    assert Rollout.objects.get().restart_now


def test_a_refusal_stops_the_rollout_and_becomes_an_event_message(running):
    with a_phone("403 Forbidden") as (port, heard):
        a_terminal(f"127.0.0.1:{port}")
        beat(server=running.server, ask=right)
        beat(server=running.server, ask=right)
        beat(server=running.server, ask=right)
    assert len(heard) == 1
    assert Rollout.objects.get().state == "stopped"
    assert {"rollout_stopped", "terminals_failed"} <= set(EventMessage.objects.values_list("kind", flat=True))


def test_what_goes_wrong_with_the_terminals_stops_no_heartbeat(running, monkeypatch, caplog):
    class Broken:
        def __init__(self, *_of):
            raise OSError("no more files")

    # The sender is made where it is used; nothing else of the round is replaced.
    monkeypatch.setattr(heartbeat, "SipSender", Broken)
    a_terminal("127.0.0.1:9")
    before = Heartbeat.load().beats
    beat(server=running.server, ask=right)
    assert Heartbeat.load().beats > before
    assert "interrupted" in caplog.text


def test_what_a_person_orders_meanwhile_cuts_the_asking_short(running):
    assert not heartbeat._something_is_ordered()
    orders.order_generation(current_clock(), orders.GenerationOrder(Generation.Trigger.PAGE, without_clock=True))
    assert heartbeat._something_is_ordered()


def test_it_keeps_the_block_in_the_folder_of_another_configuration_server(running, settings, tmp_path):
    settings.CONFIGURATION_FOLDER, settings.TERMINALS_HTTPS = tmp_path, Endpoint("0.0.0.0", 9443)
    running.set(own_names=["certs.example.com"])
    file = tmp_path / "00085D000001.cfg"
    file.write_text("sip line1 user name: 101\n")
    with a_phone() as (port, _heard):
        a_terminal(f"127.0.0.1:{port}")
        Terminal.objects.update(mac="00085D000001")
        beat(server=running.server, ask=right)

    assert "https://certs.example.com:9443/" in file.read_text()
