"""An older copy of the database beside a store that a newer one has written: each root stays where a telephone keeps it
(rules places-of-anchors, adopting).
"""

import json

import pytest

from terminals.checking.models import Checking
from terminals.models import Installation, Rollout, TerminalType
from tests.support.copies import DatabaseCopy
from tests.support.generations import DAY, HOUR
from tests.terminals.checking.conftest import checks

pytestmark = pytest.mark.simulation


@pytest.fixture
def served_by_a_newer_one(site):
    """A Grandstream that checks, and has gone through four handovers since the copy was made; a fifth is under way. One pair was discarded."""
    site = site("grandstream")
    phone = site.phone = site.add()
    site.brought_back(phone)
    copy = DatabaseCopy()
    # So no number says in which place a root is.
    site.world.after(HOUR).generate()
    site.world.discard()
    for _handover in range(4):
        renewed(site)
        site.world.activate()
        assert phone.takes_calls()
    renewed(site)
    site.restore = copy.put_back
    return site


def renewed(site):
    """The next pair is handed out, and the telephone has restarted with it."""
    site.world.after(2 * DAY).generate()
    site.beat()
    site.poll_later(site.phone)
    site.phone.restart()


def restored(site):
    Installation.objects.all().delete()
    Rollout.objects.all().delete()
    site.restore()
    site.beat()
    assert not site.world.situation.standing.rests
    # The telephone is told nothing that it was not told before.
    Checking.objects.all().delete()
    TerminalType.objects.update(may_check=True)


def test_each_root_stays_in_its_place(served_by_a_newer_one):
    site, phone = served_by_a_newer_one, served_by_a_newer_one.phone
    held = phone.slots
    assert len(set(held)) == len(held)
    restored(site)

    site.poll_later(phone)

    assert phone.slots == held
    assert checks(phone)
    site.world.activate()
    assert phone.takes_calls()


def test_the_one_after_the_restore_comes_behind_them(served_by_a_newer_one):
    site, phone = served_by_a_newer_one, served_by_a_newer_one.phone
    held = phone.slots
    restored(site)
    site.world.activate()

    site.world.after(2 * DAY).generate()
    site.beat()
    site.poll_later(phone)

    assert [place for place in range(6) if phone.slots[place] != held[place]] == [0]
    assert site.world.active.root_pem.strip() in [slot.strip() for slot in phone.slots]


def test_a_store_that_an_older_version_has_marked_says_so_from_the_next_round_on(served_by_a_newer_one):
    site = served_by_a_newer_one
    path = site.world.server.store.path / "mark.json"
    said = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_text(json.dumps({name: value for name, value in said.items() if name != "ranks"}))

    site.world.after(HOUR)
    site.beat()

    assert json.loads(path.read_text())["ranks"] == said["ranks"]
    assert sorted(said["ranks"].values()) == [3, 4, 5]
