"""The host key of a pair goes with it: from the database and from the disk, and never before (rule key-deleted)."""

import pytest

from certificates.communication_server.store import KEY_FILES
from certificates.models import Generation
from certificates.renewal import orders
from tests.support.generations import HOUR, MINUTE, START, utc

END = utc("2027-07-31 00:00")


def in_database(world):
    return set(Generation.objects.filter(host_key__isnull=False).values_list("number", flat=True))


def on_disk(world):
    found = {name: {int(file.parent.name) for file in world.store.path.rglob(name)} for name in KEY_FILES}
    assert found["host.key"] == found["agent.pem"]
    return found["host.key"]


def keys(world):
    assert in_database(world) == on_disk(world)
    return on_disk(world)


def test_a_pair_keeps_its_key_while_it_may_be_served(prepared):
    assert keys(prepared) == {1, 2}
    prepared.activate()
    assert keys(prepared) == {1, 2}
    prepared.roll_back()
    assert keys(prepared) == {1, 2}


def test_a_discarded_pairs_key_goes_at_once(prepared):
    prepared.discard()
    assert keys(prepared) == {1}
    assert prepared.generation(2).key_deleted_at == START
    assert prepared.published("generations/0002/host.pem").exists()


def test_a_replaced_pairs_key_goes_at_once(prepared):
    prepared.generate()
    assert prepared.states == {1: "active", 2: "discarded", 3: "prepared"}
    assert keys(prepared) == {1, 3}


def test_a_superseded_pairs_key_goes_when_it_ends_and_not_before(running):
    running.generate(at_once=True)
    running.at(END - MINUTE)
    assert running.generation(1).end == END
    Generation.objects.filter(number=2).update(end=END + 400 * 24 * HOUR, made_at=END)
    running.beat()
    assert keys(running) == {1, 2}
    running.at(END).beat()
    assert 1 not in keys(running)
    assert running.generation(1).state == "superseded"


def test_the_key_of_the_active_pair_stays_after_its_end_because_it_is_served(running):
    Generation.objects.update(overlap_days=30)
    running.set(fqdn="", ip_addresses=[])  # so that nothing takes its place
    running.at(END + HOUR).beat()
    assert running.states == {1: "active"}
    assert keys(running) == {1}


@pytest.mark.parametrize("name", KEY_FILES)
def test_the_key_of_the_served_pair_is_put_back_where_somebody_took_it(running, name):
    file = running.published(f"current/{name}")
    content = file.read_bytes()
    file.unlink()
    assert running.after(MINUTE).beat().did
    assert file.read_bytes() == content


def test_a_withdrawn_pairs_key_goes_when_another_is_served(running):
    orders.withdraw(running.clock(), 1, by="anna")
    assert keys(running) == {1}
    running.beat()
    assert running.states == {1: "withdrawn", 2: "active"}
    assert keys(running) == {2}


@pytest.mark.parametrize("number", [1, 2])
def test_a_withdrawn_pair_that_is_not_served_loses_it_at_once(running, number):
    running.generate(at_once=number == 1)
    running.withdraw(number)
    assert number not in keys(running)


def test_what_history_shows_stays(prepared):
    prepared.discard()
    pair = prepared.generation(2)
    assert pair.root.subject
    assert pair.host.subject
    assert prepared.published("generations/0002/root.der").read_bytes()


def test_it_stays_where_the_disk_still_serves_it(prepared):
    """The database has moved on and the file system refuses: the key that `current` points to is all there is."""
    pair = prepared.pending
    generations = prepared.published("generations")
    generations.rename(prepared.published("elsewhere"))
    generations.write_text("in the way")
    assert prepared.activate().finished_at is None
    assert in_database(prepared) == {1, 2}
    generations.unlink()
    prepared.published("elsewhere").rename(generations)
    prepared.after(MINUTE).beat()
    assert prepared.active == pair
    assert keys(prepared) == {1, 2}
