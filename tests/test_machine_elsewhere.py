"""What the heartbeat does on a machine that does not publish, and what it leaves to the one that does (rule one-publishes)."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from certificates.models import Generation, Switch
from certificates.renewal import orders
from certificates.renewal.rounds import reconcile
from certificates.renewal.situation import load_situation
from certificates.renewal.standing import StoreStanding
from certificates.status.page import CertificateStatus
from pbxcerts import heartbeat
from pbxcerts.heartbeat import beat
from pbxcerts.machine_elsewhere import show_web_process
from pbxcerts.system.models import EventMessage, Heartbeat
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.time import timekeeping
from tests.support.generations import a_world
from tests.support.machine import Machine
from tests.support.machines import OTHER, add, publishes_here, read

MINUTE = timedelta(minutes=1)


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(timekeeping, "read_machine", machine.read)
    return machine


@pytest.fixture
def world(db, tmp_path, key_file, settings, machine):
    """A pair is active, published on this machine."""
    settings.DATA, settings.STORE = tmp_path, tmp_path / "store"
    (tmp_path / "run").mkdir()
    world = a_world(settings.STORE).at(machine.wall)
    world.generate()
    publishes_here()
    return world


@pytest.fixture
def elsewhere(world, settings, tmp_path):
    """The other machine has published it; here is no store."""
    mark = load_situation().store.mark.content().decode()
    add(store_mark=mark, store_standing="same")
    Heartbeat.own().update(publishes=False)
    Heartbeat.objects.filter(key=OTHER).update(publishes=True)
    settings.STORE = tmp_path / "no-store"
    read()
    return world


def kinds():
    return set(EventMessage.objects.filter(cleared_at=None).values_list("kind", flat=True))


def test_it_touches_no_store_and_carries_out_no_order(elsewhere, settings):
    order = orders.GenerationOrder(Generation.Trigger.PAGE, without_clock=True, reason="a test")
    orders.order_generation(elsewhere.clock(), order)
    outcome = beat()

    assert outcome.is_elsewhere
    assert elsewhere.states == {1: "active", 2: "making"}
    assert not settings.STORE.exists()


def test_it_shows_that_it_lives_and_clears_no_message_of_the_others(elsewhere):
    EventMessage.objects.create(kind="files_differ", severity="serious", raised_at=elsewhere.now)
    before = Heartbeat.load().beats
    beat()

    assert Heartbeat.load().beats == before + 1
    assert kinds() == {"files_differ"}


def test_it_tells_that_the_publisher_is_silent_and_its_return_clears_that(elsewhere, machine):
    for _minute in range(6):
        beat()
        machine.run(MINUTE)
    assert kinds() == {"publisher_silent"}

    # As the other machine sees itself.
    Heartbeat.objects.filter(key=OTHER).update(publishes=False)
    Heartbeat.own().update(publishes=True)
    beat(server=elsewhere.server)
    assert "publisher_silent" not in kinds()


@pytest.fixture
def started(monkeypatch):
    """The readings at which a sender was started."""
    started = []
    monkeypatch.setattr(sending, "start", lambda: started.append(1))
    return started


@pytest.fixture
def panel_alone(elsewhere):
    """On this machine runs no worker."""
    Heartbeat.own().update(works=False, serves=True)
    destination = Destination(name="hook", kind="webhook", url="http://127.0.0.1:9/", options={"shown": "-"})
    queue.begin_with(destination)
    return elsewhere


def a_minute_of_silence(machine, minutes=1):
    for _minute in range(minutes):
        show_web_process()
        machine.run(MINUTE)


def test_a_machine_with_the_panel_alone_tells_and_sends_that_the_publisher_is_silent_once(
    panel_alone, machine, started
):
    a_minute_of_silence(machine, 5)
    assert (kinds(), started) == (set(), [])
    a_minute_of_silence(machine, 4)

    message = EventMessage.objects.get(kind="publisher_silent")
    assert message.params == {"machine": "west"}
    assert [[entry[0] for entry in one.entries] for one in Delivery.objects.all()] == [[message.pk]]
    assert started


def test_that_it_is_back_is_told_by_the_publisher_itself(panel_alone, machine, started):
    a_minute_of_silence(machine, 7)
    Heartbeat.objects.filter(key=OTHER).update(beats=8)
    started.clear()
    a_minute_of_silence(machine)

    assert kinds() == {"publisher_silent"}
    assert not started


def test_beside_a_worker_of_its_own_the_panel_tells_nothing(panel_alone, machine, started):
    Heartbeat.own().update(works=True)
    a_minute_of_silence(machine, 9)

    assert (kinds(), started) == (set(), [])


def test_a_panel_that_was_started_before_the_first_worker_tells_nothing(panel_alone, machine, started):
    Heartbeat.objects.filter(key=OTHER).update(publishes=False)
    a_minute_of_silence(machine, 9)

    assert (kinds(), started) == (set(), [])


def test_a_panel_with_other_secrets_tells_nothing(panel_alone, machine, started):
    Heartbeat.objects.filter(key=OTHER).update(secrets={"secret_key": "another"})
    a_minute_of_silence(machine, 9)

    assert (kinds(), started) == (set(), [])


def test_pages_say_of_the_store_what_the_publisher_tells(elsewhere):
    status = CertificateStatus.load()

    assert status.situation.standing is StoreStanding.SAME
    assert status.situation.store.served == 1
    assert status.situation.is_published
    assert not {"files_differ", "publish_failed", "heartbeat_missing"} & {one.id for one in status.warnings}


def test_a_failure_there_is_on_the_pages_here(elsewhere):
    Heartbeat.objects.filter(key=OTHER).update(publish_failure="disk full")
    assert "publish_failed" in {one.id for one in CertificateStatus.load().warnings}


def test_while_the_store_there_is_not_this_databases_nothing_is_ordered_here(elsewhere):
    Heartbeat.objects.filter(key=OTHER).update(store_mark="", store_standing="older")
    read()
    assert load_situation().standing.rests
    with pytest.raises(orders.StateRefused):
        orders.order_generation(elsewhere.clock(), orders.GenerationOrder(Generation.Trigger.PAGE))


@pytest.mark.parametrize("command", [["publish"], ["backup", "x.age", "--passphrase-file", "/dev/null"]])
def test_commands_about_the_store_are_for_the_other_machine(elsewhere, command):
    with pytest.raises(CommandError) as refused:
        call_command(*command)
    assert refused.value.returncode == 3


def test_who_was_taken_over_in_the_middle_of_a_round_goes_no_further(world, monkeypatch):
    """Its reload command took long; meanwhile a person has let another machine publish."""
    world.generate()
    orders.activate(world.clock(), by="anna")
    monkeypatch.setattr(heartbeat, "show_life", lambda: False)
    server = world.server.__class__(
        store=world.server.store, reload_command=["true"], reload_timeout=5, alive=heartbeat._show_life
    )
    outcome = reconcile(world.clock(), terminals=world.telephones, server=server)

    assert outcome.was_busy
    assert Switch.objects.running().exists()
