"""An older copy of the database beside a newer store, and every other way in which the two can be strangers
(rules what-is-served-stays, store-mark, adopting).
"""

import json
import shutil
from dataclasses import replace

import pytest
from cryptography import x509
from django.utils import translation

from certificates.communication_server.errors import StoreError
from certificates.communication_server.publication import Publication, PublishedPair
from certificates.models import Generation, StoreDecision, Switch, Transition
from certificates.renewal import deciding, orders
from certificates.renewal.adoption import NotAdoptable
from certificates.renewal.orders import StateRefused
from certificates.renewal.situation import Situation
from certificates.renewal.standing import StoreStanding
from pbxcerts.system.models import EventMessage, General
from tests.support.copies import DatabaseCopy
from tests.support.generations import DAY, HOUR, MINUTE, State
from tests.support.published import served
from tests.support.tls_server import TlsServer
from tests.support.x509 import a_pair

pytestmark = pytest.mark.simulation

Decision = StoreDecision.Decision


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def files(world):
    """Every file and link of the store with its content; the lock and the mark are not what a server reads."""
    return {
        str(path.relative_to(world.store.path)): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in world.store.path.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.name not in {".lock", "mark.json"}
    }


def certificate_served(world):
    return (world.store.path / "current" / "host.pem").read_bytes()


def key_served(world):
    return (world.store.path / "current" / "host.key").read_bytes()


def told(kind):
    return EventMessage.objects.filter(kind=kind)


def standing(world):
    return world.situation.standing


def renewed(world):
    """Generation 2 is made with handover and then served."""
    world.once("a renewal", world.after(HOUR).generate)
    world.once("its end", world.after(HOUR).activate)
    assert world.states == {1: "superseded", 2: "active"}


# -- an older copy ------------------------------------------------------------------------------------------------------


def test_a_copy_of_before_a_renewal_adopts_what_is_served(running):
    before = DatabaseCopy()
    renewed(running)
    certificate, key = certificate_served(running), key_served(running)
    before.put_back()
    assert standing(running) is StoreStanding.OLDER
    running.beat()

    assert running.states == {1: "superseded", 2: "active"}
    assert (certificate_served(running), key_served(running)) == (certificate, key)
    assert served(running.store) == 2
    assert standing(running) is StoreStanding.SAME
    message = told("store_adopted").get()
    assert (message.severity, message.params["number"]) == ("critical", 2)


def test_what_telephones_were_told_after_the_copy_is_taken_for_unknown(running):
    before = DatabaseCopy()
    renewed(running)
    assert running.telephones.began_anew == 0
    before.put_back()
    running.beat()

    assert running.states == {1: "superseded", 2: "active"}
    assert running.telephones.began_anew == 1
    running.after(MINUTE).beat()
    assert running.telephones.began_anew == 1


def test_what_the_copy_held_and_the_store_does_not_show_is_discarded(running):
    running.after(HOUR).generate(at_once=True)
    running.after(HOUR).roll_back()
    assert running.states == {1: "active", 2: "held"}
    before = DatabaseCopy()
    running.discard()
    running.after(HOUR).generate()
    running.after(HOUR).activate()
    before.put_back()
    running.beat()

    assert running.states == {1: "superseded", 2: "discarded", 3: "active"}


def test_what_is_adopted_is_whole_and_goes_on_by_the_schedule(running):
    before = DatabaseCopy()
    renewed(running)
    as_made = running.active
    before.put_back()
    running.beat()
    adopted = running.active

    for field in ("root_pem", "host_pem", "root_sha256", "host_sha256", "not_before", "planned", "end", "made_at"):
        assert getattr(adopted, field) == getattr(as_made, field), field
    for field in ("key_type", "dns_names", "ip_addresses", "addresses_as_dns", "interval_days", "overlap_days"):
        assert getattr(adopted, field) == getattr(as_made, field), field
    assert adopted.trigger == "adopted"
    assert running.situation.due is not None
    assert running.situation.publication().pairs[0].host_key.reveal() == key_served(running)
    assert running.roots_in_bundle() == {1, 2}
    running.after(MINUTE).beat()
    assert told("store_adopted").count() == 1
    assert Transition.objects.filter(why="adopted").count() == 2


def test_a_copy_of_before_a_generation_adopts_what_is_prepared(running):
    before = DatabaseCopy()
    running.after(HOUR).generate()
    waiting = (running.store.path / "next" / "host.key").read_bytes()
    before.put_back()
    running.beat()

    assert running.states == {1: "active", 2: "prepared"}
    assert (running.store.path / "next" / "host.key").read_bytes() == waiting
    assert running.roots_in_bundle() == {1, 2}
    assert running.pending.deadline is not None


def test_a_copy_from_the_middle_of_a_handover_knows_the_highest_number_and_still_turns_nothing_back(running):
    running.after(HOUR).generate()
    middle = DatabaseCopy()
    running.after(HOUR).activate()
    certificate = certificate_served(running)
    middle.put_back()
    assert standing(running) is StoreStanding.OLDER
    running.beat()

    assert certificate_served(running) == certificate
    assert running.states == {1: "superseded", 2: "active"}
    assert running.roots_in_bundle() == {1, 2}
    assert running.situation.served_before.number == 1


def test_a_copy_of_before_two_renewals_adopts_the_last_one_and_what_left_the_bundle_stays_out(running):
    before = DatabaseCopy()
    renewed(running)
    running.after(31 * DAY).beat()
    running.generate(at_once=True)
    assert running.states == {1: "superseded", 2: "superseded", 3: "active"}
    before.put_back()
    running.beat()

    assert running.states == {1: "superseded", 3: "active"}
    assert running.roots_in_bundle() == {3}
    assert running.situation.served_before is None
    with pytest.raises(StateRefused):
        orders.roll_back(running.clock(), by="otto")


def test_a_new_number_lies_above_all_that_the_lost_database_gave(running):
    before = DatabaseCopy()
    running.after(HOUR).generate()
    running.discard()
    running.generate()
    running.discard()
    assert running.states == {1: "active", 2: "discarded", 3: "discarded"}
    before.put_back()
    running.beat()
    assert running.states == {1: "active"}
    assert running.after(HOUR).generate().number == 4


def test_after_a_roll_back_that_the_copy_does_not_know_it_stays_rolled_back(running):
    renewed(running)
    before = DatabaseCopy()
    running.after(HOUR).roll_back()
    assert running.states == {1: "active", 2: "held"}
    certificate = certificate_served(running)
    before.put_back()
    running.beat()

    assert certificate_served(running) == certificate
    assert running.states == {1: "active", 2: "held"}
    assert running.pending.held_because == "rolled_back"
    assert running.pending.deadline is not None


def test_a_pair_discarded_since_is_not_published_anew(running):
    running.after(HOUR).generate()
    before = DatabaseCopy()
    running.after(HOUR).discard()
    before.put_back()
    running.beat()

    assert running.states == {1: "active", 2: "discarded"}
    assert running.store.target("next") == ""
    assert not (running.store.path / "generations" / "0002" / "host.key").exists()


def test_a_pair_withdrawn_since_does_not_come_back_as_trusted(running):
    """The copy holds it as active: it would be the one served before, trusted for the overlap, and open to a roll back."""
    before = DatabaseCopy()
    running.after(HOUR).withdraw(1)
    assert running.states == {1: "withdrawn", 2: "active"}
    before.put_back()
    running.beat()

    assert running.states == {1: "withdrawn", 2: "active"}
    assert running.roots_in_bundle() == {2}
    assert running.generation(1).withdrawn_at is not None
    with pytest.raises(StateRefused):
        orders.roll_back(running.clock(), by="otto")
    # Nor does the next copy forget it.
    assert running.generation(1).host_sha256 in running.store.mark().withdrawn


def test_a_withdrawn_pair_that_is_still_served_is_replaced(running):
    before = DatabaseCopy()
    orders.withdraw(running.after(HOUR).clock(), 1, by="anna")
    # Its successor was ordered, and the worker was killed before it made one.
    Generation.objects.filter(state="making").update(started_at=running.now)
    running.server.store.publish(running.situation.publication(), running.situation.new_mark())
    before.put_back()
    running.beat()

    assert running.generation(1).withdrawn_at is not None
    running.after(MINUTE).beat()
    assert running.generation(1).state == State.WITHDRAWN
    assert running.roots_in_bundle() == {running.active.number}
    assert running.active.number != 1


def test_a_copy_that_was_about_to_switch_or_to_generate_forgets_it(running):
    running.after(HOUR).generate()
    orders.activate(running.clock(), by="otto")
    middle = DatabaseCopy()
    running.beat()
    middle.put_back()
    running.beat()

    assert running.states == {1: "superseded", 2: "active"}
    assert not Switch.objects.running().exists()
    assert Switch.objects.order_by("pk").last().reload_failure == "overtaken"


def test_a_number_that_the_copy_has_given_to_a_failed_attempt_is_not_taken_twice(running):
    ordered = orders.order_generation(
        running.after(HOUR).clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna")
    )
    middle = DatabaseCopy()
    running.beat()
    running.activate()
    certificate = certificate_served(running)
    middle.put_back()
    running.beat()

    assert running.generation(ordered.number).state == State.FAILED
    assert running.active.number == 3
    assert certificate_served(running) == certificate
    assert served(running.store) == 3


def test_a_copy_whose_key_list_is_lost_takes_the_key_from_the_disk(running, key_file):
    renewed(running)
    before = DatabaseCopy()
    running.after(HOUR).generate()
    running.after(HOUR).activate()
    running.after(HOUR).roll_back()
    before.put_back()
    Generation.objects.filter(number=2).update(host_key=b"sealed with a key that is gone")
    key = key_served(running)
    running.beat()

    assert running.active.number == 2
    assert running.situation.publication().lost == ()
    assert key_served(running) == key


def planted(world, *, forge=lambda content: content):
    """Somebody who can write into the store puts a pair of his own there, and the mark of a change that nobody knows."""
    pair = a_pair(number=2, made_at=world.now, not_before=world.now - DAY, end=world.now + 300 * DAY)
    mark = world.store.mark()
    known = PublishedPair(2, pair.root, pair.host, pair.host_key)
    world.store.publish(
        Publication(pairs=(known,), current=2, next=None, bundle=(pair.root, pair.host)),
        replace(mark, change=mark.change + 1, proof=forge(mark.proof)),
    )
    return pair


@pytest.mark.parametrize("forge", [str, lambda _proof: "", lambda _proof: "gAAAAA"], ids=["old", "none", "forged"])
def test_a_pair_that_nothing_proves_to_be_ours_is_a_persons_matter(running, forge):
    """Else telephones would be given the root of whoever can write into the store."""
    planted(running, forge=forge)
    assert standing(running) is StoreStanding.OLDER
    found = files(running)
    running.beat()
    assert running.states == {1: "active"}
    assert files(running) == found
    deciding.order_decision(running.clock(), Decision.ADOPT, by="anna")
    running.beat()
    assert running.states == {1: "superseded", 2: "active"}


def test_adopting_may_be_interrupted_before_the_store_is_marked(running, monkeypatch):
    before = DatabaseCopy()
    renewed(running)
    before.put_back()

    def full(*_arguments):
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(type(running.store), "publish", full)
        assert running.beat().publish_failure == "disk full"
    assert running.states == {1: "superseded", 2: "active"}
    assert standing(running) is StoreStanding.OLDER
    running.beat()
    assert standing(running) is StoreStanding.SAME
    assert told("store_adopted").count() == 1
    assert Transition.objects.filter(why="adopted").count() == 2


# -- where nothing can be adopted ---------------------------------------------------------------------------------------


@pytest.fixture
def undecided(running):
    """The copy is older, and the key on the disk is not that of the certificate."""
    before = DatabaseCopy()
    renewed(running)
    key = running.store.path / "generations" / "0002" / "host.key"
    key.write_bytes((running.store.path / "generations" / "0001" / "host.key").read_bytes())
    before.put_back()
    return running


def test_what_is_served_stays_until_a_person_decides(undecided):
    before = files(undecided)
    for _round in range(3):
        outcome = undecided.after(MINUTE).beat()
        assert (outcome.did, outcome.publish_failure) == (False, "")
    assert files(undecided) == before
    assert undecided.states == {1: "active"}
    assert standing(undecided) is StoreStanding.OLDER


def test_meanwhile_nobody_can_order_anything(undecided):
    clock = undecided.clock()
    for order in (
        lambda: orders.order_generation(clock, orders.GenerationOrder(Generation.Trigger.PAGE, by="anna")),
        lambda: orders.activate(clock, by="anna"),
        lambda: orders.roll_back(clock, by="anna"),
        lambda: orders.discard(clock, by="anna"),
        lambda: orders.withdraw(clock, 1, by="anna"),
        lambda: orders.move_deadline(clock, undecided.now + DAY, by="anna"),
    ):
        with pytest.raises(StateRefused, match="First decide"):
            order()
    assert not Transition.objects.filter(to_state="making").exclude(generation=1).exists()


def test_a_person_publishes_from_the_database(undecided):
    assert deciding.lost_by_publishing(undecided.situation) == ["generations/0002"]
    deciding.order_decision(undecided.clock(), Decision.FROM_DATABASE, by="anna")
    undecided.beat()

    assert served(undecided.store) == 1
    assert not (undecided.store.path / "generations" / "0002" / "host.key").exists()
    assert standing(undecided) is StoreStanding.SAME
    assert told("store_taken_over").get().params["person"] == "anna"
    assert not StoreDecision.objects.exists()
    assert undecided.after(HOUR).generate().number == 3


def test_and_the_server_loads_it(undecided, tmp_path):
    loaded = tmp_path / "loaded"
    undecided.server = type(undecided.server)(undecided.store, reload_command=("touch", str(loaded)), look_for=0)
    undecided.beat()
    assert not loaded.exists()
    deciding.order_decision(undecided.clock(), Decision.FROM_DATABASE, by="anna")
    undecided.beat()
    assert loaded.exists()


def test_adopting_is_refused_with_the_reason(undecided):
    with pytest.raises(NotAdoptable, match="not the key"):
        deciding.order_decision(undecided.clock(), Decision.ADOPT, by="anna")
    assert not StoreDecision.objects.exists()


def test_it_is_decided_at_the_last_chance_before_the_end_of_what_is_served(undecided):
    until = deciding.decided_at(undecided.situation)
    end = x509.load_pem_x509_certificate(certificate_served(undecided)).not_valid_after_utc
    assert end - 16 * DAY < until < end - 14 * DAY
    Generation.objects.filter(number=1).update(end=end + DAY)
    undecided.at(until - MINUTE).beat()
    assert standing(undecided) is StoreStanding.OLDER
    undecided.at(until + MINUTE).beat()
    assert standing(undecided) is StoreStanding.SAME
    assert told("store_taken_over_at_the_end").exists()


def test_an_active_pair_that_has_ended_does_not_replace_one_that_is_still_valid(undecided):
    """The pair of the copy ends first: what is served carries calls to its own end."""
    Generation.objects.update(end=undecided.active.end - 20 * DAY)
    end = x509.load_pem_x509_certificate(certificate_served(undecided)).not_valid_after_utc
    assert undecided.active.end < end
    undecided.at(end - HOUR).beat()
    assert standing(undecided) is StoreStanding.OLDER
    undecided.at(end + MINUTE).beat()
    assert standing(undecided) is StoreStanding.SAME
    assert undecided.active.number == 3
    assert served(undecided.store) == 3


def test_a_decision_counts_only_for_what_the_person_saw(undecided):
    deciding.order_decision(undecided.clock(), Decision.FROM_DATABASE, by="anna")
    StoreDecision.objects.update(change=999)
    undecided.beat()
    assert standing(undecided) is StoreStanding.OLDER


@pytest.mark.parametrize("damage", ["host.key", "host.pem", "root.pem"])
def test_half_a_pair_is_never_adopted(running, damage):
    before = DatabaseCopy()
    renewed(running)
    (running.store.path / "current" / damage).unlink()
    before.put_back()
    found = files(running)
    running.beat()
    assert files(running) == found
    assert running.states == {1: "active"}


def test_an_ended_pair_is_not_adopted(running):
    before = DatabaseCopy()
    renewed(running)
    end = running.active.end
    before.put_back()
    running.at(end + HOUR)
    with pytest.raises(NotAdoptable, match="not valid"):
        deciding.order_decision(running.clock(), Decision.ADOPT, by="anna")


# -- another installation -------------------------------------------------------------------------------------------------


def test_a_new_data_directory_beside_a_full_store_changes_nothing(running):
    found, mark = files(running), running.store.mark()
    DatabaseCopy.empty()
    running.after(MINUTE).beat()

    assert standing(running) is StoreStanding.FOREIGN
    assert (files(running), running.store.mark()) == (found, mark)
    with pytest.raises(StateRefused, match="First decide"):
        running.generate()


def test_a_person_adopts_what_the_lost_data_directory_served(running):
    running.after(HOUR).generate()
    certificate, bundle = certificate_served(running), (running.store.path / "trust.pem").read_bytes()
    DatabaseCopy.empty()
    deciding.order_decision(running.clock(), Decision.ADOPT, by="anna", reason="a new disk")
    running.beat()

    assert running.states == {1: "active", 2: "prepared"}
    assert certificate_served(running) == certificate
    assert (running.store.path / "trust.pem").read_bytes() == bundle
    assert running.store.mark().installation == General.load().installation
    assert told("foreign_store_adopted").get().params["person"] == "anna"
    assert Generation.objects.get(number=1).reason == "a new disk"
    running.activate()
    assert served(running.store) == 2


def test_or_begins_anew_and_what_is_served_stays_until_the_first_pair_is_made(running):
    found = files(running)
    DatabaseCopy.empty()
    deciding.order_decision(running.clock(), Decision.FROM_DATABASE, by="anna")
    running.beat()
    assert files(running) == found
    assert standing(running) is StoreStanding.SAME
    assert running.after(HOUR).generate().number == 2
    assert served(running.store) == 2


def test_a_store_that_another_installation_writes_is_left_to_it(running):
    theirs = running.store.mark().content().replace(running.store.mark().installation.encode(), b"f" * 32)
    (running.store.path / "mark.json").write_bytes(theirs)
    found = files(running)
    running.at(running.situation.due.at + MINUTE).beat()
    assert standing(running) is StoreStanding.FOREIGN
    assert (files(running), running.states) == (found, {1: "active"})


def test_of_another_installation_only_the_end_of_what_it_serves_decides(running):
    theirs = running.store.mark().content().replace(running.store.mark().installation.encode(), b"f" * 32)
    (running.store.path / "mark.json").write_bytes(theirs)
    end = running.active.end
    Generation.objects.update(end=end + DAY)
    running.at(end - 31 * MINUTE).beat()
    assert standing(running) is StoreStanding.FOREIGN
    running.at(end - 29 * MINUTE).beat()
    assert standing(running) is StoreStanding.SAME


# -- no mark, or none that can be read ---------------------------------------------------------------------------------------


def test_a_store_of_a_version_without_marks_gets_one_and_nobody_is_told(running):
    (running.store.path / "mark.json").unlink()
    found = files(running)
    outcome = running.beat()
    assert outcome.mended == ()
    assert files(running) == found
    assert running.store.mark().installation == General.load().installation


def test_one_without_a_mark_whose_pair_nobody_knows_is_foreign(running):
    (running.store.path / "mark.json").unlink()
    DatabaseCopy.empty()
    assert standing(running) is StoreStanding.FOREIGN


def test_one_without_a_mark_that_serves_what_is_only_prepared_here_is_newer(running):
    running.after(HOUR).generate()
    middle = DatabaseCopy()
    running.after(HOUR).activate()
    (running.store.path / "mark.json").unlink()
    certificate = certificate_served(running)
    middle.put_back()
    assert standing(running) is StoreStanding.OLDER
    running.beat()
    assert certificate_served(running) == certificate
    assert running.states == {1: "superseded", 2: "active"}


def test_keys_without_a_link_are_no_empty_store(running):
    """A copy that leaves out links: nothing is served by it, and the keys may exist nowhere else."""
    (running.store.path / "mark.json").unlink()
    (running.store.path / "current").unlink()
    assert standing(running) is StoreStanding.SAME
    DatabaseCopy.empty()
    assert standing(running) is StoreStanding.FOREIGN
    running.beat()
    assert (running.store.path / "generations" / "0001" / "host.key").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"installation": 7}', '{"installation": "' + "a" * 32 + '", "change": -1}']
)
def test_a_mark_that_cannot_be_read_is_written_anew_where_the_pair_is_known(running, content):
    (running.store.path / "mark.json").write_text(content)
    running.beat()
    assert running.store.mark().installation == General.load().installation


def test_and_is_a_persons_matter_where_it_is_not(running):
    before = DatabaseCopy()
    renewed(running)
    (running.store.path / "mark.json").write_text("{")
    before.put_back()
    found = files(running)
    running.beat()
    assert standing(running) is StoreStanding.UNREADABLE
    assert files(running) == found
    deciding.order_decision(running.clock(), Decision.ADOPT, by="anna")
    running.beat()
    assert running.states == {1: "superseded", 2: "active"}


# -- the store is older, or gone ---------------------------------------------------------------------------------------------


def test_an_older_copy_of_the_store_is_published_again_and_never_a_problem(running, tmp_path):
    shutil.copytree(running.store.path, tmp_path / "copy", symlinks=True)
    renewed(running)
    shutil.rmtree(running.store.path)
    shutil.copytree(tmp_path / "copy", running.store.path, symlinks=True)
    assert standing(running) is StoreStanding.SAME
    running.beat()
    assert served(running.store) == 2
    assert not told("store_older").exists()


def test_links_that_lead_nowhere_are_an_empty_store(running):
    for name in ("generations", "trust"):
        shutil.rmtree(running.store.path / name)
    (running.store.path / "mark.json").unlink()
    assert standing(running) is StoreStanding.EMPTY
    running.beat()
    assert served(running.store) == 1


def test_a_restore_that_followed_links_and_lost_the_rest_is_none(running):
    current = running.store.path / "current"
    pair = current.resolve()
    current.unlink()
    pair.rename(current)
    (current / "host.pem").unlink()
    (running.store.path / "mark.json").unlink()
    key = key_served(running)
    assert standing(running) is StoreStanding.FOREIGN
    running.beat()
    assert key_served(running) == key


def test_an_older_database_adopts_from_a_store_whose_links_were_followed_too(running):
    before = DatabaseCopy()
    renewed(running)
    for name in ("current", "trust.pem"):
        place = running.store.path / name
        target = place.resolve()
        place.unlink()
        if target.is_dir():
            shutil.copytree(target, place)
        else:
            shutil.copy2(target, place)
    certificate, key = certificate_served(running), key_served(running)
    before.put_back()
    running.beat()
    assert (certificate_served(running), key_served(running)) == (certificate, key)
    assert running.states == {1: "superseded", 2: "active"}
    assert running.roots_in_bundle() == {1, 2}
    assert standing(running) is StoreStanding.SAME


def test_an_empty_store_is_filled_at_once(running):
    shutil.rmtree(running.store.path)
    assert standing(running) is StoreStanding.EMPTY
    running.beat()
    assert served(running.store) == 1
    assert running.store.mark().highest == 1
    assert not told("unknown_certificate_presented").exists()


@pytest.mark.parametrize("known", [True, False])
def test_and_it_is_told_where_the_server_presents_what_the_database_does_not_know(running, known, tmp_path):
    before = DatabaseCopy()
    renewed(running)
    if not known:
        before.put_back()
    pair = running.store.path / "generations" / "0002"
    shutil.copytree(pair, tmp_path / "loaded")
    loaded = tmp_path / "loaded"
    server = TlsServer(loaded / "fullchain.pem", loaded / "host.key", directory=tmp_path).start()
    try:
        running.set(tls_addresses=[server.address])
        shutil.rmtree(running.store.path)
        running.beat()
    finally:
        server.stop()
    assert served(running.store) == (2 if known else 1)
    assert told("unknown_certificate_presented").exists() == (not known)


# -- the mark -----------------------------------------------------------------------------------------------------------------


def test_the_mark_is_written_before_the_link_is_turned(running, monkeypatch):
    """Else a copy of before the switch would know the mark of a store that serves what it does not know."""
    running.after(HOUR).generate()
    seen = []
    point = type(running.store)._point

    def watched(store, links, changed):
        seen.append((store.current, store.mark().change, Transition.objects.newest_pk()))
        point(store, links, changed)

    monkeypatch.setattr(type(running.store), "_point", watched)
    running.after(HOUR).activate()
    assert seen[0][0] == 1
    assert seen[0][1] == seen[0][2]


def test_it_grows_with_each_number_and_each_switch(running):
    marks = [running.store.mark()]
    for act in (lambda: running.after(HOUR).generate(), running.activate, running.roll_back):
        act()
        marks.append(running.store.mark())
    changes = [mark.change for mark in marks]
    assert changes == sorted(set(changes))
    assert [mark.highest for mark in marks] == [1, 2, 2, 2]
    assert json.loads(marks[-1].content())["installation"] == General.load().installation


def test_another_history_with_as_many_changes_is_not_taken_for_the_same(running):
    before = DatabaseCopy()
    renewed(running)
    certificate = certificate_served(running)
    before.put_back()
    # Behind the back of the product: it would refuse the order.
    generation = running.generation(1)
    for _number in range(10):
        Transition.objects.create(
            generation=generation, from_state="active", to_state="active", at=running.now + MINUTE
        )
    assert Transition.objects.newest_pk() > running.store.mark().change
    assert standing(running) is StoreStanding.OLDER
    running.beat()
    assert certificate_served(running) == certificate


def test_reading_how_things_stand_costs_no_query_more(running, django_assert_num_queries):
    with django_assert_num_queries(2):
        Situation.load(running.clock())
