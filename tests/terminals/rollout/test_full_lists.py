"""A telephone whose list of trust anchors is full is left alone in a rollout, and comes back into it when there is room (rule
full-list).
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from terminals.checking.models import Checking
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust
from terminals.evidence.models import Requester
from terminals.evidence.requesters import begin_anew, has_room
from terminals.models import DeliverySettings, Installation, Rollout, Terminal
from terminals.rollout import full_lists, rounds
from tests.support.generations import DAY, HOUR, MINUTE

pytestmark = pytest.mark.simulation


OTHERS = list(range(101, 111))
"""As many as a Yealink can hold, of generations that nothing serves."""


@pytest.fixture
def yealinks(fleet):
    """Telephones that have the served pair."""
    kind = fleet.type("Yealink T46S", "yealink", wants="root")
    return lambda count=1: fleet.equipped(count, kind)


def fill(phones, *, holds=(*OTHERS[:9], 1)):
    Requester.objects.filter(terminal__in=[phone.terminal for phone in phones]).update(holds=[*holds])


def renewed(fleet, span=HOUR):
    """A second pair is prepared by day, and telephones that need no restart are asked."""
    fleet.world.at(fleet.world.now.replace(hour=14, minute=0))
    fleet.world.generate()
    return fleet.during(span)


def state(fleet, phone, number=2):
    return str(fleet.row(phone, number).state)


def readiness(fleet, number=2):
    root = fleet.world.generation(number).root_sha256
    return fleet.world.telephones.readiness(root_sha256=root, counts="all", now=fleet.world.now)


# -- what it is spared, and what it counts for ---------------------------------------------------------------------------


def test_it_is_not_notified_and_has_not_failed(fleet, yealinks):
    full, roomy = yealinks(2)
    fill([full])

    renewed(fleet)

    assert (len(full.notified), state(fleet, full)) == (0, "full")
    assert (len(roomy.notified), state(fleet, roomy)) == (1, "confirmed")


def test_many_of_them_neither_stop_the_rollout_nor_hold_the_waves_of_the_others(fleet, yealinks):
    phones = yealinks(30)
    fill(phones[:20])

    rollout = renewed(fleet)

    assert rollout.state == Rollout.State.RUNNING
    assert fleet.states(2) == {"confirmed": 10, "full": 20}


def test_they_do_not_make_failures_of_others_look_fewer(fleet, yealinks):
    DeliverySettings.load()
    DeliverySettings.objects.update(waves=False)
    phones = yealinks(100)
    fill(phones[10:])
    # Four of ten, not four of a hundred.
    for phone in phones[:4]:
        phone.comes_back = False

    assert renewed(fleet, 6 * HOUR).state == Rollout.State.STOPPED


def test_the_switch_waits_for_it_as_for_any_that_is_missing(fleet, yealinks):
    full, _roomy = yealinks(2)
    fill([full])
    renewed(fleet)

    found = readiness(fleet)
    with translation.override("en"):
        named = [(one.number, str(one.why)) for one in found.missing]

    assert (found.counting, named) == (2, [(full.terminal.number, "list is full")])
    assert fleet.world.active.number == 1
    fleet.world.at(fleet.world.pending.deadline)
    fleet.during(10 * MINUTE)
    assert fleet.world.active.number == 2, "the deadline comes all the same"
    assert full.notified == []


def test_with_room_for_one_more_it_is_asked(fleet, yealinks):
    (phone,) = yealinks()
    fill([phone], holds=(*OTHERS[:8], 1))

    renewed(fleet)

    assert state(fleet, phone) == "confirmed"
    assert len(Requester.objects.get().holds) == 10


def test_one_that_fills_up_by_the_served_one_has_not_failed(fleet, yealinks):
    """It slept through the one before, and had room for one only."""
    phone, other = yealinks(2)
    fleet.world.generate()
    fleet.fetch(other)
    fleet.fetch(other)
    fleet.world.activate()
    fill([phone], holds=(*OTHERS[:8], 1))

    fleet.world.at(fleet.world.now.replace(hour=14, minute=0))
    fleet.world.generate()
    fleet.during(3 * HOUR)

    assert [str(fleet.row(phone, number).state) for number in (2, 3)] == ["confirmed", "full"]
    assert fleet.row(phone, 3).failure == ""
    assert len(phone.notified) == 1


def test_full_when_it_was_asked_already_it_fails_for_nothing_and_is_left_alone(fleet, yealinks):
    full, *_others = yealinks(3)
    fleet.world.at(fleet.world.now.replace(hour=14, minute=0))
    fleet.world.generate()
    full.comes_back = False
    fleet.during(10 * MINUTE)
    assert state(fleet, full) == "heard"
    fill([full])

    rollout = fleet.during(3 * HOUR)

    assert (state(fleet, full), len(full.notified)) == ("full", 1)
    assert fleet.row(full, 2).failed_at is None
    assert rollout.state == Rollout.State.RUNNING


# -- when there is room again --------------------------------------------------------------------------------------------


@pytest.fixture
def left_alone(fleet, yealinks):
    """One in the middle of a rollout, whose list is full."""
    phone, _other = yealinks(2)
    fill([phone])
    renewed(fleet)
    assert state(fleet, phone) == "full"
    return phone


def test_when_a_person_has_made_room_it_is_notified_by_itself(fleet, left_alone):
    has_room([left_alone.terminal.pk], kept=[1])

    fleet.during(HOUR)

    assert (state(fleet, left_alone), len(left_alone.notified)) == ("confirmed", 1)


def test_when_it_was_reset_it_is_notified_by_itself_until_it_has_all(fleet, left_alone):
    begin_anew(left_alone.terminal.pk)

    fleet.during(3 * HOUR)

    assert state(fleet, left_alone) == "confirmed"
    assert 1 <= len(left_alone.notified) <= 2


def test_of_a_type_that_holds_more_it_is_asked(fleet, left_alone):
    Terminal.objects.filter(pk=left_alone.terminal.pk).update(type=fleet.type())

    rounds.reconcile_rollouts(fleet.world.situation)

    assert state(fleet, left_alone) == "waiting"


def test_of_a_type_that_is_done_by_hand_it_is_on_the_work_list(fleet, left_alone):
    by_hand = fleet.type("By hand", "sip_standard")
    Terminal.objects.filter(pk=left_alone.terminal.pk).update(type=by_hand)

    rounds.reconcile_rollouts(fleet.world.situation)

    row = fleet.row(left_alone, 2)
    assert (str(row.state), row.wave) == ("waiting", 0)


def test_another_telephone_is_asked(fleet, left_alone):
    Requester.objects.filter(terminal=left_alone.terminal).delete()

    rounds.reconcile_rollouts(fleet.world.situation)

    assert state(fleet, left_alone) == "waiting"


def test_one_that_takes_it_by_itself_is_confirmed(fleet, left_alone):
    has_room([left_alone.terminal.pk], kept=[1])
    fleet.fetch(left_alone)

    assert state(fleet, left_alone) == "confirmed"
    assert left_alone.notified == []


def test_one_that_a_person_skips_stays_skipped(fleet, left_alone):
    Installation.objects.filter(terminal=left_alone.terminal, generation=2).update(state="skipped")

    fleet.during(HOUR)

    assert state(fleet, left_alone) == "skipped"


def test_what_was_put_off_is_not_asked_sooner_because_its_list_was_full_meanwhile(fleet, yealinks):
    phone, _other = yealinks(2)
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    later = fleet.world.now + 40 * MINUTE
    mine = Installation.objects.filter(terminal=phone.terminal, generation=2)
    mine.update(state="absent", postponed=3, next_at=later)
    fill([phone])
    rounds.reconcile_rollouts(fleet.world.situation)
    assert state(fleet, phone) == "full"
    has_room([phone.terminal.pk], kept=[1])

    fleet.during(HOUR)

    assert phone.notified
    assert phone.notified[0] >= later


# -- pairs that come and go ----------------------------------------------------------------------------------------------


def test_where_the_prepared_pair_is_discarded_it_has_all_that_is_handed_out(fleet, left_alone):
    fleet.world.discard()

    fleet.during(HOUR)

    assert state(fleet, left_alone, 1) == "confirmed"
    assert left_alone.notified == []


def test_a_withdrawn_pair_keeps_its_room_at_the_telephone(fleet, left_alone):
    fleet.world.activate()
    fleet.world.withdraw(2)

    fleet.during(3 * HOUR)

    newest = max(Installation.objects.values_list("generation", flat=True))
    assert newest == 3
    assert state(fleet, left_alone, newest) == "full"
    assert left_alone.notified == []


def test_after_a_roll_back_one_that_is_full_only_for_the_held_pair_is_left_alone_and_keeps_its_calls(fleet, left_alone):
    fleet.world.activate()
    fleet.world.roll_back()

    rollout = fleet.during(3 * HOUR)

    assert (rollout.generation_id, rollout.state) == (2, Rollout.State.RUNNING)
    assert state(fleet, left_alone) == "full"
    assert left_alone.notified == []
    assert fleet.world.telephones.refusing(trusted_roots=[fleet.world.active.root_sha256]) == 0


def test_after_a_roll_back_one_that_is_full_without_the_served_pair_is_left_alone_too(fleet, yealinks):
    """It came after the switch, and trusts the held pair alone."""
    yealinks(3)
    fleet.world.generate()
    fleet.during(HOUR)
    assert fleet.world.active.number == 2
    late, roomy = fleet.equipped(2, fleet.type("Yealink T46S"))
    fill([late], holds=(*OTHERS[:9], 2))
    fill([roomy], holds=(*OTHERS[:8], 2))
    fleet.world.roll_back()
    fleet.world.after(5 * MINUTE)

    rollout = fleet.during(3 * HOUR)

    assert rollout.state == Rollout.State.RUNNING
    assert (state(fleet, late), late.notified) == ("full", [])
    assert fleet.row(late, 2).confirmed_at is not None, "what it has counts"
    assert len(roomy.notified) == 1, "it can take the served one"
    assert fleet.states(2) == {"confirmed": 4, "full": 1}


def test_one_that_is_full_without_the_served_pair_and_has_the_prepared_one_is_asked_for_the_proof(fleet, yealinks):
    (phone,) = yealinks()
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    fill([phone], holds=(*OTHERS[:9], 2))

    rounds.reconcile_rollouts(fleet.world.situation)

    assert state(fleet, phone) == "waiting"


# -- who says that it is full --------------------------------------------------------------------------------------------


def takes(phone, numbers, *, address, fleet):
    for number in numbers:
        fleet.world.after(2 * MINUTE)
        recording.fetched(
            [FetchedTrust(phone.terminal.pk, frozenset({number}), f"{number}.x", "", address, fleet.world.now)]
        )


def test_a_stranger_fills_the_list_of_nobody(fleet, yealinks, delivery):
    proved, unproved = yealinks(2)
    Requester.objects.filter(terminal=unproved.terminal).update(held_proved=False)
    for phone in (proved, unproved):
        Requester.objects.create(
            terminal=phone.terminal,
            source="198.51.100.7",
            address="198.51.100.7",
            last_at=fleet.world.now,
            holds=OTHERS,
            held_proved=False,
            change=99,
        )

    renewed(fleet)

    assert fleet.states(2) == {"confirmed": 2}


def test_where_nothing_proves_who_takes_it_is_full_when_all_that_take_in_its_name_are(fleet, yealinks):
    (phone,) = yealinks()
    Requester.objects.update(held_proved=False)
    fill([phone])

    renewed(fleet)

    assert (state(fleet, phone), phone.notified) == ("full", [])


def test_what_a_stranger_fetches_for_it_leaves_it_alone_and_is_told(fleet, left_alone):
    takes(left_alone, [2], address="198.51.100.7", fleet=fleet)
    row = fleet.row(left_alone, 2)
    assert (str(row.state), row.evidence, row.confirmed_at) == ("full", "unproved", None)

    fleet.during(HOUR)
    assert (state(fleet, left_alone), left_alone.notified) == ("full", [])

    has_room([left_alone.terminal.pk], kept=[1])
    rounds.reconcile_rollouts(fleet.world.situation)
    assert state(fleet, left_alone) == "unproved"


# -- lists that are emptied (rule emptied-list) --------------------------------------------------------------------------


def test_one_whose_list_was_emptied_and_seen_by_nobody_is_left_alone_too(fleet, yealinks):
    phone, other = yealinks(2)
    now = fleet.world.now
    Checking.objects.create(
        terminal=phone.terminal, method="yealink", state="emptied", asked_at=now, read_at=now, due_at=now + 9 * DAY
    )

    renewed(fleet)

    assert (state(fleet, phone), state(fleet, other)) == ("full", "confirmed")
    assert phone.notified == []

    Checking.objects.all().delete()
    fleet.during(HOUR)
    assert state(fleet, phone) == "confirmed"


# -- many ----------------------------------------------------------------------------------------------------------------


def asked(what):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        what()
    return len(queries)


def test_its_queries_do_not_grow_with_the_full_ones(fleet, yealinks):
    fill(yealinks(3))
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    situation = fleet.world.situation

    def passes_over():
        full_lists.pass_over(situation.pending, situation.active)

    few = asked(passes_over)
    fill(yealinks(100))
    rounds.reconcile_rollouts(fleet.world.situation)

    assert asked(passes_over) == few <= 5
    assert fleet.states(2) == {"full": 103}


def test_where_no_list_fills_up_one_query_says_so(fleet):
    fleet.add(3)
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    situation = fleet.world.situation

    assert asked(lambda: full_lists.pass_over(situation.pending, situation.active)) == 1
