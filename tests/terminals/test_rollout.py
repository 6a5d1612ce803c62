"""One generation to all telephones, from the first question to the switch of the server."""

from tests.support.generations import DAY, MINUTE


def test_a_prepared_pair_is_rolled_out_and_the_server_switches_when_all_have_confirmed(fleet, world):
    [phone] = fleet.equipped()
    world.after(DAY).generate()
    rollout = fleet.beat()
    assert (rollout.generation_id, rollout.state) == (2, "running")
    assert len(phone.notified) == 1
    assert fleet.row(phone).state == "heard"
    assert world.states == {1: "active", 2: "prepared"}

    fleet.during(5 * MINUTE)

    row = fleet.row(phone)
    assert (row.state, row.evidence, row.attempts) == ("confirmed", "fetched", 1)
    assert row.asked_at < row.answered_at < row.fetched_at == row.confirmed_at
    assert world.states == {1: "superseded", 2: "active"}
    assert len(phone.notified) == 1
