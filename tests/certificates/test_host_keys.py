"""Host keys whose key is missing in the key list (rules sealed, key-lost)."""

import os

import pytest
from cryptography.fernet import Fernet

from certificates.communication_server.store import KEY_FILES
from certificates.models import Generation, Switch, Transition
from certificates.pki.keys import KeyType, generate_two, host_key_pem
from certificates.renewal import orders
from certificates.renewal.handover import Readiness
from certificates.renewal.orders import StateRefused
from certificates.status.observing import observe
from certificates.status.warnings import certificate_warnings
from pbxcerts.system import sealing
from pbxcerts.system.models import Heartbeat
from tests.support.generations import DAY, HOUR, MINUTE, missing, utc

pytestmark = pytest.mark.django_db

NIGHT = utc("2027-07-01 00:00")
DEADLINE = utc("2027-07-16 00:00")
END = utc("2027-07-31 00:00")


def a_key():
    return Fernet.generate_key().decode()


def lost_keys(world):
    situation = world.situation
    seen = observe(situation, Heartbeat.load(), published=world.store)
    return [notice.params["number"] for notice in certificate_warnings(situation, seen) if notice.id == "key_lost"]


def lose(world, key_file, *numbers):
    """The key list has another key than the one these host keys were sealed with, and they are not on the disk either."""
    key_file.write_text(a_key())
    for number in numbers:
        for name in KEY_FILES:
            world.published(f"generations/{number:04d}/{name}").unlink()


def test_a_key_that_was_taken_out_too_early_loses_nothing(running, key_file):
    """The pair stays served, the page says it, and with the key put back into the list all goes on."""
    old = key_file.read_text()
    lose(running, key_file, 1)

    assert running.beat().publish_failure == ""
    assert lost_keys(running) == [1]
    assert running.store.current == 1
    assert Generation.objects.get(number=1).host_key is not None

    key_file.write_text(f"{a_key()}\n{old}")
    running.beat()
    assert lost_keys(running) == []
    assert running.published("current/host.key").exists()


# -- mended from the file system ---------------------------------------------------------------------------------------


@pytest.fixture(params=["active", "prepared", "held", "superseded"])
def pair(request, running):
    """A pair in each state in which its key is kept: (the world, its number)."""
    if request.param != "active":
        running.generate(at_once=request.param in {"held", "superseded"})
    if request.param == "held":
        running.roll_back()
    number = {"active": 1, "prepared": 2, "held": 2, "superseded": 1}[request.param]
    assert running.generation(number).state == request.param
    return running, number


def test_a_lost_key_that_stands_on_the_disk_is_sealed_anew(pair, key_file):
    world, number = pair
    published = world.published(f"generations/{number:04d}/host.key").read_bytes()
    key_file.write_text(a_key())
    assert number in lost_keys(world)

    assert world.beat().publish_failure == ""

    assert lost_keys(world) == []
    assert sealing.unseal(world.generation(number).host_key) == published
    assert world.published(f"generations/{number:04d}/host.key").read_bytes() == published
    assert Transition.objects.filter(generation=number, why="key_mended").exists()
    assert not world.after(MINUTE).beat().did


def test_the_handover_goes_on_with_it(prepared, key_file):
    key_file.write_text(a_key())
    prepared.telephones.ready = Readiness(counting=1)
    prepared.beat()
    assert prepared.states == {1: "superseded", 2: "active"}


@pytest.mark.parametrize(
    "content", [b"", b"no key", "another key", "another host's", "a link", "a directory", "a pipe"]
)
def test_what_on_the_disk_does_not_fit_mends_nothing(prepared, key_file, content):
    place, other = prepared.published("generations/0002/host.key"), prepared.published("current/host.key").read_bytes()
    lose(prepared, key_file, 1, 2)
    match content:
        case "a link":
            (other_place := place.with_name("elsewhere")).write_bytes(other)
            place.symlink_to(other_place)
        case "a directory":
            place.mkdir()
        case "a pipe":
            os.mkfifo(place)
        case "another key":
            place.write_bytes(host_key_pem(generate_two(KeyType.P256)[0]).reveal())
        case "another host's":
            place.write_bytes(other)
        case _:
            place.write_bytes(content)
    sealed = prepared.generation(2).host_key

    prepared.beat()

    assert 2 in lost_keys(prepared)
    assert bytes(prepared.generation(2).host_key) == bytes(sealed)


def test_while_the_list_cannot_be_read_nothing_is_lost_and_nothing_mended(prepared, key_file):
    sealed = bytes(prepared.generation(2).host_key)
    key_file.write_text("no key at all")
    prepared.at(prepared.active.end - HOUR).beat()
    assert bytes(prepared.generation(2).host_key) == sealed
    assert prepared.pending.number == 2


# -- given up ----------------------------------------------------------------------------------------------------------


def test_a_prepared_pair_whose_key_is_lost_does_not_block_the_renewal(handing_over, key_file):
    lose(handing_over, key_file, 2)
    for moment in (NIGHT + DAY, DEADLINE - MINUTE):
        handing_over.at(moment).beat()
        assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(DEADLINE).beat()
    assert handing_over.states == {1: "active", 2: "discarded", 3: "prepared"}
    assert Transition.objects.get(generation=2, to_state="discarded").why == "key_lost"
    handing_over.until(END, every=DAY)
    assert handing_over.active.number == 3
    assert set(Switch.objects.values_list("outcome", flat=True)) == {"not_verified"}


def test_all_that_time_the_key_may_come_back(handing_over, key_file):
    old = key_file.read_text()
    lose(handing_over, key_file, 2)
    handing_over.telephones.ready = Readiness(counting=1)
    handing_over.at(DEADLINE - DAY).beat()
    assert handing_over.states == {1: "active", 2: "prepared"}
    key_file.write_text(old)
    handing_over.beat()
    assert handing_over.states == {1: "superseded", 2: "active"}


def test_what_holds_the_deadline_does_not_hold_it_past_the_last_hours(handing_over, key_file):
    lose(handing_over, key_file, 2)
    handing_over.telephones.ready = Readiness(counting=1, **missing("gate"), rollout_stopped=True)
    handing_over.at(END - 25 * HOUR).beat()
    assert handing_over.states == {1: "active", 2: "prepared"}
    handing_over.at(END - DAY).beat()
    assert handing_over.states == {1: "active", 2: "discarded", 3: "prepared"}
    handing_over.until(END, every=4 * HOUR)
    assert handing_over.active.number == 3


@pytest.mark.parametrize("because", ["at once", "withdrawn", "ended"])
def test_where_a_switch_is_due_now_it_is_replaced_now(handing_over, key_file, because):
    lose(handing_over, key_file, 2)
    if because == "at once":
        handing_over.set(handover_counts="nobody")
    elif because == "withdrawn":
        orders.withdraw(handing_over.clock(), 1, by="anna")
    else:
        handing_over.at(END + HOUR)
    handing_over.beat()
    assert handing_over.generation(2).state == "discarded"
    handing_over.until(handing_over.now + 2 * DAY, every=4 * HOUR)
    assert handing_over.active.number == 3


def test_a_pair_that_is_held_because_its_switch_failed_too(handing_over, key_file):
    handing_over.refuse_to_reload()
    handing_over.activate()
    handing_over.reload_again()
    assert handing_over.states == {1: "active", 2: "held"}
    lose(handing_over, key_file, 2)
    handing_over.after(2 * MINUTE).beat()
    assert handing_over.states == {1: "active", 2: "discarded"}
    handing_over.until(handing_over.now + DAY, every=2 * HOUR)
    assert handing_over.pending.number == 3


def test_nobody_activates_or_rolls_back_to_a_pair_without_its_key(running, key_file):
    running.generate(at_once=True)
    lose(running, key_file, 1)
    with pytest.raises(StateRefused):
        running.roll_back()
    running.generate()
    lose(running, key_file, 3)
    with pytest.raises(StateRefused):
        orders.activate(running.clock(), by="otto")
    assert not Switch.objects.filter(outcome="refused").exists()


def test_a_failed_switch_goes_back_to_no_pair_without_its_key(prepared, key_file):
    old = key_file.read_text()
    key_file.write_text(f"{a_key()}\n{old}")
    Generation.objects.filter(number=1).update(host_key=Fernet(a_key()).encrypt(b"x"))
    for name in KEY_FILES:
        prepared.published(f"generations/0001/{name}").unlink()
    prepared.refuse_to_reload()
    prepared.activate()
    assert Switch.objects.first().outcome == "stays"
    assert prepared.store.current == 2


def test_a_new_pair_leads_out_of_a_lost_key(running, key_file):
    key_file.write_text(a_key())

    running.generate(at_once=True)

    assert running.states == {1: "superseded", 2: "active"}
    assert running.store.current == 2
    assert running.published("current/host.key").exists()


def test_a_list_that_is_gone_is_told_and_no_new_one_hides_it(running, key_file):
    aside = key_file.rename(key_file.with_suffix(".aside"))
    assert "kann nicht gelesen werden: No such file" in running.beat().publish_failure
    running.generate()
    assert running.generation(2).state == "failed"
    assert "kann nicht gelesen werden" in running.generation(2).failure_detail
    assert not key_file.exists()
    aside.rename(key_file)
    running.generate()
    assert running.states == {1: "active", 2: "failed", 3: "prepared"}
