"""Real processes race on a real SQLite file: for one due slot, for two orders at once, around a switch
(rules one-per-slot, one-publisher).
"""

import pytest

from tests.support.racing import Processes

pytestmark = pytest.mark.process

RACERS = 8

STATES = "{row.number: row.state for row in Generation.objects.order_by('number')}"
BEAT = "crashes.beat(directory)"
ACTIVATE = "orders.activate(crashes.clock(), by='anna').pk"


def reloads(racers):
    return len((racers.directory / "log").read_text().splitlines())


@pytest.fixture
def racers(tmp_path):
    with Processes(tmp_path) as processes:
        yield processes


def test_eight_that_find_the_slot_due_make_one_generation(racers):
    racers.ask("crashes.GenerationWithHandover().prepare(directory)")
    racers.race(*[BEAT] * RACERS)
    assert racers.ask(STATES) == {"1": "active", "2": "prepared"}, "one attempt, and none that failed"
    racers.race(*[BEAT] * RACERS)
    found = racers.ask("crashes.state(directory)")
    assert found["states"] == {"1": "active", "2": "prepared"}
    assert (found["current"], found["next"], found["differences"]) == (1, "generations/0002", [])


def test_eight_that_claim_the_slot_side_by_side_get_it_once(racers):
    """Without the lock of the store between them, as on several machines: the row alone decides."""
    racers.ask("crashes.GenerationWithHandover().prepare(directory)")
    wanted = "orders.GenerationOrder(Generation.Trigger.SCHEDULE, because='slot')"
    order = f"orders.order_generation(crashes.clock(), {wanted}).number"
    results = racers.race(*[order] * RACERS)
    assert [result for result in results if isinstance(result, int)] == [2]
    assert len([result for result in results if isinstance(result, dict)]) == RACERS - 1
    assert racers.ask(STATES) == {"1": "active", "2": "making"}
    makes = racers.race(*["making.make(2, crashes.clock()) is not None"] * RACERS)
    assert sorted(makes) == [False] * (RACERS - 1) + [True]
    assert racers.ask(STATES) == {"1": "active", "2": "prepared"}


def test_of_two_manual_orders_at_once_the_second_is_told(racers):
    racers.ask("crashes.Activation().prepare(directory)")
    results = racers.race(*["crashes.order()"] * 2)
    assert len([result for result in results if result is None]) == 1
    assert len([result for result in results if isinstance(result, dict)]) == 1
    assert racers.ask(STATES) == {"1": "active", "2": "prepared", "3": "making"}
    racers.ask(BEAT)
    assert racers.ask(STATES) == {"1": "active", "2": "discarded", "3": "prepared"}


def test_eight_heartbeats_carry_out_one_switch(racers):
    racers.ask("crashes.Activation().prepare(directory)")
    racers.ask(ACTIVATE)
    before = reloads(racers)
    racers.race(*[BEAT] * RACERS)
    found = racers.ask("crashes.state(directory)")
    assert found["states"] == {"1": "superseded", "2": "active"}
    assert found["switches"] == [[1, "not_verified"], [2, "not_verified"]]
    assert (found["current"], found["running"], found["differences"]) == (2, 0, [])
    assert reloads(racers) == before + 1
    moves = "[[row.from_state, row.to_state] for row in Transition.objects.filter(generation=2)]"
    assert racers.ask(moves) == [["", "making"], ["making", "prepared"], ["prepared", "active"]]
    # One that looked just before the switch may have had the last word; the next heartbeat knows better.
    assert set(racers.ask("crashes.open_messages()")) <= {"handover_waits_alone"}, "what is on its way is no difference"
    racers.ask(BEAT)
    assert racers.ask("crashes.open_messages()") == {}


def test_of_several_that_activate_at_once_one_is_heard(racers):
    racers.ask("crashes.Activation().prepare(directory)")
    results = racers.race(*[ACTIVATE] * 4, BEAT)
    heard = [result for result in results[:4] if isinstance(result, int)]
    assert heard
    racers.ask(BEAT)
    found = racers.ask("crashes.state(directory)")
    assert found["states"] == {"1": "superseded", "2": "active"}
    assert len(found["switches"]) == 1 + len(heard)


def test_eight_heartbeats_adopt_once_what_an_older_database_does_not_know(racers):
    racers.ask("crashes.OlderDatabase().prepare(directory)")
    before = reloads(racers)
    racers.race(*[BEAT] * RACERS)
    racers.ask(BEAT)
    found = racers.ask("crashes.state(directory)")
    assert found["states"] == {"1": "superseded", "2": "active"}
    assert (found["current"], found["standing"], found["differences"]) == (2, "same", [])
    assert reloads(racers) == before
    assert racers.ask("Transition.objects.filter(why='adopted').count()") == 2
    assert racers.ask("crashes.open_messages()").keys() == {"store_adopted"}
