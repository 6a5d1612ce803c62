"""A terminal that is added during a handover must have calls at once, whatever fits into a file for its type."""

import pytest

from terminals.by_hand import links
from terminals.by_hand.work_list import WorkList
from terminals.models import Installation, Terminal
from terminals.rollout import orders, rounds
from terminals.rollout.served_first import served_first
from terminals.states import Wave
from terminals.trust_file import trust_file
from tests.support.generations import DAY

pytestmark = pytest.mark.simulation

KINDS = {
    "der": {"trust_format": "der", "wants": "root"},
    "only_one": {"holds_only_one": True},
    "bundle": {},
}


@pytest.fixture
def handing_over(fleet):
    """The terminals that were there trust the active pair; another one is prepared."""
    world = fleet.world

    def confirmed():
        for kind, values in KINDS.items():
            fleet.add(2, fleet.type(kind, "sip_standard", **values))
        assert orders.confirm(world.situation, Terminal.objects.all(), generation=1, by="otto", at=world.now) == 6

    def prepared():
        world.generate()
        rounds.reconcile_rollouts(world.situation)

    fleet.once("confirmed", confirmed)
    world.after(DAY)
    fleet.once("prepared", prepared)
    assert world.states == {1: "active", 2: "prepared"}
    return fleet


@pytest.fixture
def add(handing_over):
    """Add one of this kind, and let the heartbeat see it."""

    def added(kind):
        [phone] = handing_over.add(1, handing_over.type(kind))
        rounds.reconcile_rollouts(handing_over.world.situation)
        return phone.terminal

    return added


def to_do(world, terminal):
    """The generations that the work list wants on this terminal now, and those in its file."""
    listed = WorkList.load(world.situation)
    wanted = list(listed.left.filter(terminal=terminal).values_list("generation", flat=True))
    files = [
        one.file.generations for one in listed.types if one.type.pk == terminal.type_id and one.generation in wanted
    ]
    return wanted, files


def confirm(world, terminal):
    """Confirm what is due on it now, if anything is."""
    [generation] = to_do(world, terminal)[0] or [2]
    return said(world, terminal, generation)


def said(world, terminal, generation):
    who = Terminal.objects.filter(pk=terminal.pk)
    return orders.confirm(world.situation, who, generation=generation, by="otto", at=world.now)


def trusts(terminal):
    rows = Installation.objects.filter(terminal=terminal, confirmed_at__isnull=False)
    return set(rows.values_list("generation", flat=True))


def test_a_file_of_one_certificate_is_first_the_served_one_then_the_next(handing_over, add):
    world, terminal = handing_over.world, add("der")

    assert to_do(world, terminal) == ([1], [(1,)])
    assert confirm(world, terminal) == 1
    assert trusts(terminal) == {1}
    assert to_do(world, terminal) == ([2], [(2,)])
    assert confirm(world, terminal) == 1
    assert trusts(terminal) == {1, 2}
    assert to_do(world, terminal) == ([], [])


def test_a_type_that_holds_only_one_gets_the_served_one_and_is_due_again_at_the_switch(handing_over, add):
    world, terminal = handing_over.world, add("only_one")

    assert to_do(world, terminal) == ([1], [(1,)])
    confirm(world, terminal)
    assert to_do(world, terminal) == ([], [])
    assert confirm(world, terminal) == 0

    world.activate()
    rounds.reconcile_rollouts(world.situation)
    assert to_do(world, terminal) == ([2], [(2,)])


def test_a_bundle_brings_both_at_once(handing_over, add):
    world, terminal = handing_over.world, add("bundle")

    assert to_do(world, terminal) == ([2], [(2, 1)])
    confirm(world, terminal)
    assert trusts(terminal) == {1, 2}


@pytest.mark.parametrize("kind", KINDS)
def test_who_has_the_served_one_is_not_asked_for_it(handing_over, kind):
    there = Terminal.objects.filter(type__name=kind)

    assert not served_first(handing_over.world.situation).exists()
    assert [to_do(handing_over.world, one)[0] for one in there] == [[] if kind == "only_one" else [2]] * 2


def test_those_that_were_there_go_on_with_the_next_one_meanwhile(handing_over, add):
    world, added = handing_over.world, add("der")
    all_of_them = Terminal.objects.filter(type__name="der")
    [there, other] = all_of_them.exclude(pk=added.pk)

    assert orders.confirm(world.situation, all_of_them, generation=2, by="otto", at=world.now) == 2
    assert (trusts(there), trusts(other), trusts(added)) == ({1, 2}, {1, 2}, set())


def test_what_is_said_twice_is_no_word_for_the_next_generation(handing_over, add):
    world, terminal = handing_over.world, add("der")

    assert orders.generations_due(world.situation, terminal) == [1, 2]
    assert [said(world, terminal, 2), said(world, terminal, 1), said(world, terminal, 1)] == [0, 1, 0]
    assert trusts(terminal) == {1}
    assert orders.generations_due(world.situation, terminal) == [2]
    assert [said(world, terminal, 3), said(world, terminal, 2)] == [0, 1]


def test_after_the_switch_nothing_of_before_is_due(handing_over, add):
    world, terminal = handing_over.world, add("der")
    world.activate()
    rounds.reconcile_rollouts(world.situation)

    assert to_do(world, terminal) == ([2], [(2,)])


def test_one_that_was_skipped_is_left_alone(handing_over, add):
    world, terminal = handing_over.world, add("der")
    Installation.objects.filter(terminal=terminal, generation=1).update(state="skipped")

    assert to_do(world, terminal) == ([2], [(2,)])


def test_the_personal_link_gives_what_is_due(handing_over, add):
    world, terminal = handing_over.world, add("der")

    first = links.make(world.situation, terminal, by="otto")
    opened = links.open_link(world.situation, first, address="192.0.2.1")
    assert opened.file.generations == (1,)
    links.downloaded(opened, at=world.now)
    assert WorkList.load(world.situation).left.get(terminal=terminal).state == "downloaded"
    links.confirm(opened, name="Tina", at=world.now)
    assert trusts(terminal) == {1}

    then = links.make(world.situation, terminal, by="otto")
    assert links.open_link(world.situation, then, address="192.0.2.1").file.generations == (2,)


def test_one_that_was_automatic_when_it_failed_does_not_get_lost(handing_over):
    world = handing_over.world
    [phone] = handing_over.add(1)
    Installation.objects.create(terminal=phone.terminal, generation_id=1, wave=Wave.FIRST, state="failed")
    rounds.reconcile_rollouts(world.situation)

    Terminal.objects.filter(pk=phone.terminal.pk).update(type=handing_over.type("der"))
    rounds.reconcile_rollouts(world.situation)

    assert to_do(world, Terminal.objects.get(pk=phone.terminal.pk)) == ([1], [(1,)])


@pytest.mark.parametrize("how", ["work list", "personal link"])
def test_a_type_that_holds_only_one_has_lost_the_one_before_when_it_has_the_next(handing_over, add, how):
    """There and back: what was confirmed once is no longer what the terminal holds."""
    world, terminal = handing_over.world, add("only_one")

    def installed():
        if how == "work list":
            return confirm(world, terminal)
        opened = links.open_link(world.situation, links.make(world.situation, terminal, by="otto"), address="192.0.2.1")
        return links.confirm(opened, name="Tina", at=world.now)

    installed()
    assert trusts(terminal) == {1}
    world.activate()
    rounds.reconcile_rollouts(world.situation)
    installed()
    assert trusts(terminal) == {2}

    world.roll_back()
    rounds.reconcile_rollouts(world.situation)
    assert to_do(world, terminal) == ([1], [(1,)])
    installed()
    assert trusts(terminal) == {1}
    assert to_do(world, terminal) == ([], [])

    world.activate()
    rounds.reconcile_rollouts(world.situation)
    assert to_do(world, terminal) == ([2], [(2,)])


def test_the_heartbeat_takes_it_in_once(handing_over, add):
    terminal = add("only_one")
    rounds.reconcile_rollouts(handing_over.world.situation)

    assert Installation.objects.filter(terminal=terminal).count() == 1


def test_a_held_pair_alone_carries_no_calls(handing_over):
    """After a roll back, who was added while the other pair was served gets the one that is served again."""
    world = handing_over.world
    world.activate()
    [phone] = handing_over.add(1, handing_over.type("der"))
    rounds.reconcile_rollouts(world.situation)
    confirm(world, phone.terminal)
    assert trusts(phone.terminal) == {2}

    world.roll_back()
    rounds.reconcile_rollouts(world.situation)

    assert world.states == {1: "active", 2: "held"}
    assert to_do(world, phone.terminal) == ([1], [(1,)])
    assert trust_file(world.situation, phone.terminal.type).generations == (2,)
